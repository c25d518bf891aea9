package apidocs

import (
	"encoding/json"
)

// Site is where the API is served, and to whom.
type Site struct {
	Name      string // of the project, for people
	BaseURL   string // before the paths of the document; without a slash at its end
	PublicURL string // before the paths that have servers of their own; likewise
	// Parameters are the values of parameters that are the same in every request here, by name. They show in requests instead of in tables.
	Parameters map[string]string
}

// base gives what stands before an operation's path.
func (s Site) base(op *operation) string {
	if op.elsewhere {
		return s.PublicURL
	}
	return s.BaseURL
}

type server struct {
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
}

// OpenAPI gives the document as JSON with the site's addresses for servers and the site's values as examples of parameters.
func (d *Document) OpenAPI(site Site) ([]byte, error) {
	changed := d.raw
	if err := d.change(&changed, "servers", func(json.RawMessage) (any, error) {
		return []server{{URL: site.BaseURL, Description: site.Name}}, nil
	}); err != nil {
		return nil, err
	}
	if err := d.change(&changed, "paths", func(raw json.RawMessage) (any, error) { return pathsAt(raw, site) }); err != nil {
		return nil, err
	}
	if err := d.change(&changed, "components", func(raw json.RawMessage) (any, error) { return d.componentsAt(raw, site) }); err != nil {
		return nil, err
	}
	return marshal(changed)
}

func (d *Document) change(of *members[json.RawMessage], name string, to func(json.RawMessage) (any, error)) error {
	raw, _ := of.get(name)
	value, err := to(raw)
	if err != nil {
		return err
	}
	text, err := marshal(value)
	if err != nil {
		return err
	}
	*of = of.set(name, text)
	return nil
}

// pathsAt gives the paths that have servers of their own the public URL.
func pathsAt(raw json.RawMessage, site Site) (any, error) {
	var paths members[members[json.RawMessage]]
	if err := json.Unmarshal(raw, &paths); err != nil {
		return nil, err
	}
	for i := range paths {
		if _, ok := paths[i].Value.get("servers"); !ok {
			continue
		}
		servers, err := marshal([]server{{URL: site.PublicURL}})
		if err != nil {
			return nil, err
		}
		paths[i].Value = paths[i].Value.set("servers", servers)
	}
	return paths, nil
}

// componentsAt makes the site's values the examples of its parameters. A header that has one is required here.
func (d *Document) componentsAt(raw json.RawMessage, site Site) (any, error) {
	var all members[json.RawMessage]
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	err := d.change(&all, "parameters", func(raw json.RawMessage) (any, error) {
		parameters := members[members[json.RawMessage]]{}
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &parameters); err != nil {
				return nil, err
			}
		}
		for i, p := range d.components.Parameters {
			value, ok := site.Parameters[p.Value.Name]
			if !ok {
				continue
			}
			text, err := marshal(value)
			if err != nil {
				return nil, err
			}
			parameters[i].Value = parameters[i].Value.set("example", text).set("required", json.RawMessage("true"))
		}
		return parameters, nil
	})
	return all, err
}
