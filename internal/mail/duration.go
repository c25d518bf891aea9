package mail

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

type timeUnit int

const (
	seconds timeUnit = iota
	minutes
	hours
	days
)

// unitWords gives a unit's words by plural category (Unicode CLDR); # stands for the number. The words fit the place that the built-in templates of
// the language give them, as in "valid for …".
type unitWords map[plural.Form]string

var durationWords = map[string]map[timeUnit]unitWords{
	"en": {
		seconds: {plural.One: "# second", plural.Other: "# seconds"},
		minutes: {plural.One: "# minute", plural.Other: "# minutes"},
		hours:   {plural.One: "# hour", plural.Other: "# hours"},
		days:    {plural.One: "# day", plural.Other: "# days"},
	},
	"de": {
		seconds: {plural.One: "# Sekunde", plural.Other: "# Sekunden"},
		minutes: {plural.One: "# Minute", plural.Other: "# Minuten"},
		hours:   {plural.One: "# Stunde", plural.Other: "# Stunden"},
		days:    {plural.One: "# Tag", plural.Other: "# Tage"},
	},
	"fr": {
		seconds: {plural.One: "# seconde", plural.Other: "# secondes"},
		minutes: {plural.One: "# minute", plural.Other: "# minutes"},
		hours:   {plural.One: "# heure", plural.Other: "# heures"},
		days:    {plural.One: "# jour", plural.Other: "# jours"},
	},
	"es": {
		seconds: {plural.One: "# segundo", plural.Other: "# segundos"},
		minutes: {plural.One: "# minuto", plural.Other: "# minutos"},
		hours:   {plural.One: "# hora", plural.Other: "# horas"},
		days:    {plural.One: "# día", plural.Other: "# días"},
	},
	"pt": {
		seconds: {plural.One: "# segundo", plural.Other: "# segundos"},
		minutes: {plural.One: "# minuto", plural.Other: "# minutos"},
		hours:   {plural.One: "# hora", plural.Other: "# horas"},
		days:    {plural.One: "# dia", plural.Other: "# dias"},
	},
	"ja": {
		seconds: {plural.Other: "#秒"},
		minutes: {plural.Other: "#分"},
		hours:   {plural.Other: "#時間"},
		days:    {plural.Other: "#日間"},
	},
	"ar": {
		seconds: {plural.One: "ثانية واحدة", plural.Two: "ثانيتين", plural.Few: "# ثوانٍ", plural.Other: "# ثانية"},
		minutes: {plural.One: "دقيقة واحدة", plural.Two: "دقيقتين", plural.Few: "# دقائق", plural.Other: "# دقيقة"},
		hours:   {plural.One: "ساعة واحدة", plural.Two: "ساعتين", plural.Few: "# ساعات", plural.Other: "# ساعة"},
		days:    {plural.One: "يوم واحد", plural.Two: "يومين", plural.Few: "# أيام", plural.Many: "# يومًا", plural.Other: "# يوم"},
	},
}

// unitSymbols serve languages that have no words here: an operator's template in Dutch says "24 h".
var unitSymbols = map[timeUnit]unitWords{
	seconds: {plural.Other: "# s"},
	minutes: {plural.Other: "# min"},
	hours:   {plural.Other: "# h"},
	days:    {plural.Other: "# d"},
}

// inWords says how long d is, in the language and rounded down so that it never promises too much. It gives "" for less than a second.
func inWords(tag language.Tag, d time.Duration) string {
	n, unit := inUnits(d)
	if n == 0 {
		return ""
	}
	base, _ := tag.Base()
	words, ok := durationWords[base.String()]
	if !ok {
		words = unitSymbols
	}
	form := plural.Cardinal.MatchPlural(language.Make(base.String()), n, 0, 0, 0, 0)
	text, ok := words[unit][form]
	if !ok {
		text = words[unit][plural.Other]
	}
	return strings.ReplaceAll(text, "#", strconv.Itoa(n))
}

// inUnits takes the largest unit that d is a whole number of, or that loses little: 90m stays 90 minutes, 25h30m is 25 hours. One day stays 24 hours.
func inUnits(d time.Duration) (int, timeUnit) {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && (d%day == 0 || d >= 10*day):
		return int(d / day), days
	case d >= time.Hour && (d%time.Hour == 0 || d >= 10*time.Hour):
		return int(d / time.Hour), hours
	case d >= time.Minute && (d%time.Minute == 0 || d >= 10*time.Minute):
		return int(d / time.Minute), minutes
	default:
		return max(0, int(d/time.Second)), seconds
	}
}
