package auth

import "sync"

// cache keeps at most size parsed values under keys that never change their meaning, so that nothing in it can be stale.
type cache[K comparable, V any] struct {
	mu     sync.Mutex
	size   int
	values map[K]V
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, values: map[K]V{}}
}

// get gives the value of key, made by parse where it is not there yet.
func (c *cache[K, V]) get(key K, parse func() (V, error)) (V, error) {
	c.mu.Lock()
	v, ok := c.values[key]
	c.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := parse()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.values) >= c.size {
		for k := range c.values { // any one: map order is random enough
			delete(c.values, k)
			break
		}
	}
	c.values[key] = v
	return v, nil
}
