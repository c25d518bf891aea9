package console

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The chart's measures, in units of its view box.
const (
	chartWidth  = 720
	chartHeight = 240
	chartLeft   = 44 // room for the figures of the axis
	chartBottom = 24 // and for the labels below
	chartTop    = 12
	chartRight  = 12
)

// chart is lines over time, as the template draws them. Colour never is all that tells them apart: they are dashed otherwise, too, and a table says the same.
type chart struct {
	Width, Height int
	Grid          []chartLine // each with its figure
	Labels        []chartLabel
	Series        []series
}

// series is one line.
type series struct {
	Name   string
	Class  string // of ui.css: "", second or third
	Path   string // of an SVG path
	values []int
}

type chartLine struct {
	Y      string
	Figure int
}

type chartLabel struct {
	X, Text, Anchor string
}

// newChart draws at most three series, which have a value for each label.
func newChart(labels []string, lines []series) chart {
	highest := 0
	for _, line := range lines {
		highest = max(highest, slices.Max(append([]int{0}, line.values...)))
	}
	step := gridStep(highest)
	top := step * max(1, (highest+step-1)/step)
	x := func(i int) float64 {
		return chartLeft + float64(chartWidth-chartLeft-chartRight)*float64(i)/float64(max(1, len(labels)-1))
	}
	y := func(n int) float64 {
		return chartHeight - chartBottom - float64(chartHeight-chartBottom-chartTop)*float64(n)/float64(top)
	}
	c := chart{Width: chartWidth, Height: chartHeight}
	for n := 0; n <= top; n += step {
		c.Grid = append(c.Grid, chartLine{Y: fmt.Sprintf("%.1f", y(n)), Figure: n})
	}
	c.Labels = chartLabels(labels, x)
	for i, line := range lines {
		line.Class = []string{"", "second", "third"}[i]
		var path strings.Builder
		for j, n := range line.values {
			fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[j == 0], x(j), y(n))
		}
		line.Path = path.String()
		c.Series = append(c.Series, line)
	}
	return c
}

// chartLabels takes as many as there is room for, the last among them.
func chartLabels(labels []string, x func(int) float64) (shown []chartLabel) {
	every := max(1, (len(labels)+7)/8)
	for i := len(labels) - 1; i >= 0; i -= every {
		anchor := "middle"
		switch {
		case i == len(labels)-1 && i > 0:
			anchor = "end"
		case i == 0:
			anchor = "start"
		}
		shown = append(shown, chartLabel{X: fmt.Sprintf("%.1f", x(i)), Text: labels[i], Anchor: anchor})
	}
	return shown
}

// gridStep gives a round distance, 1, 2 or 5 times a power of ten, that divides what is shown into at most five.
func gridStep(highest int) int {
	for power := 1; power < math.MaxInt/10; power *= 10 {
		for _, times := range []int{1, 2, 5} {
			if times*power*5 >= highest {
				return times * power
			}
		}
	}
	return highest
}
