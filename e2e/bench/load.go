package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// load is how requests come.
type load struct {
	connections int
	rate        float64 // a second in all, whatever the answers do: an open loop; 0 for as fast as the answers come: a closed one
	during      time.Duration
}

func (l load) String() string {
	if l.rate > 0 {
		return fmt.Sprintf("open, %.0f/s", l.rate)
	}
	return fmt.Sprint(l.connections)
}

// sender makes the requests of one connection, one after the other, and sees their answers.
type sender interface {
	next() []byte
	answered(status int, body []byte) error // what is wrong with an answer that was no refusal for lack of room
}

// outcome is what a load did.
type outcome struct {
	load   load
	took   time.Duration
	good   int
	shed   int // refused with 503: more than there is room for
	errors int
	first  error
	waits  []time.Duration // of the good ones, sorted; of an open loop from when the request was due
	cpu    time.Duration   // of the server
	peak   int64           // bytes of memory that the server had at most
	health []time.Duration // what /healthz took meanwhile, sorted
}

func (o outcome) perSecond() float64 { return float64(o.good) / o.took.Seconds() }

func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// run sends the load to an address; senders has one for each connection.
func (l load) run(address string, senders []sender) outcome {
	o := outcome{load: l}
	due := l.schedule()
	var mu sync.Mutex
	var group sync.WaitGroup
	began := time.Now()
	end := began.Add(l.during)
	for i, s := range senders[:l.connections] {
		group.Go(func() {
			mine := l.runOne(newClient(address, sourceOf(i)), s, due, end)
			mu.Lock()
			defer mu.Unlock()
			o.add(mine)
		})
	}
	group.Wait()
	o.took = time.Since(began)
	slices.Sort(o.waits)
	return o
}

func (o *outcome) add(more outcome) {
	o.good, o.shed, o.errors = o.good+more.good, o.shed+more.shed, o.errors+more.errors
	o.waits = append(o.waits, more.waits...)
	if o.first == nil {
		o.first = more.first
	}
}

// schedule says when the requests of an open loop are due. A closed loop has none.
func (l load) schedule() <-chan time.Time {
	if l.rate <= 0 {
		return nil
	}
	due := make(chan time.Time, int(l.rate*l.during.Seconds())+1) // nothing waits for who takes them
	go func() {
		defer close(due)
		began := time.Now()
		for n := 0; ; n++ {
			at := began.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
			if at.Sub(began) >= l.during {
				return
			}
			time.Sleep(time.Until(at))
			due <- at
		}
	}()
	return due
}

func (l load) runOne(c *client, s sender, due <-chan time.Time, end time.Time) (o outcome) {
	defer c.close()
	for {
		began := time.Now()
		if due != nil {
			at, ok := <-due
			if !ok {
				return o
			}
			began = at
		} else if !began.Before(end) {
			return o
		}
		if wait := min(o.one(c, s, began), time.Until(end)); wait > 0 && due == nil {
			time.Sleep(wait) // as the server asks for, and as clients do
		}
		if o.errors > 100 {
			return o // something is wrong with all of them
		}
	}
}

// one sends a request; it gives how long to wait before the next one.
func (o *outcome) one(c *client, s sender, began time.Time) time.Duration {
	status, body, err := c.do(s.next())
	if err == nil && status == 503 {
		o.shed++
		return c.later
	}
	if err == nil {
		err = s.answered(status, body)
	}
	if err != nil {
		o.errors++
		o.first = cmp.Or(o.first, err)
		return 0
	}
	o.good++
	o.waits = append(o.waits, time.Since(began))
	return 0
}

// prober asks for the health of the server every 20 ms.
type prober struct {
	end   chan struct{}
	done  chan struct{}
	waits []time.Duration
	err   error
}

func startProbe(address string) *prober {
	p := &prober{end: make(chan struct{}), done: make(chan struct{})}
	go p.run(newClient(address, sourceOf(60000)))
	return p
}

// stop gives what the health took, sorted, and the first thing that was wrong, before of all.
func (p *prober) stop(before error) ([]time.Duration, error) {
	close(p.end)
	<-p.done
	slices.Sort(p.waits)
	return p.waits, cmp.Or(before, p.err)
}

func (p *prober) run(c *client) {
	defer close(p.done)
	defer c.close()
	raw := request{method: "GET", path: "/healthz"}.bytes()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.end:
			return
		case at := <-tick.C:
			status, _, err := c.do(raw)
			if err == nil && status != 200 {
				err = fmt.Errorf("health: %d", status)
			}
			p.err = cmp.Or(p.err, err)
			p.waits = append(p.waits, time.Since(at))
		}
	}
}
