package adminapi

import (
	"context"
	"fmt"
	"io"
)

// OpenAPI gives the server's OpenAPI 3.1 document.
func (c *Client) OpenAPI(ctx context.Context) ([]byte, error) {
	resp, err := c.send(ctx, call{method: "GET", path: []string{"openapi.json"}})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	return document, nil
}

// Settings lists every setting there is.
func (c *Client) Settings(ctx context.Context) (SettingList, error) {
	return fetch[SettingList](ctx, c, "GET", nil, "settings")
}

// CreateOperator makes an operator token.
func (c *Client) CreateOperator(ctx context.Context, name string) (CreatedOperator, error) {
	return fetch[CreatedOperator](ctx, c, "POST", NewOperator{name}, "operators")
}

// ListOperators lists the operator tokens, without the tokens themselves.
func (c *Client) ListOperators(ctx context.Context) (OperatorList, error) {
	return fetch[OperatorList](ctx, c, "GET", nil, "operators")
}

// DeleteOperator ends an operator token.
func (c *Client) DeleteOperator(ctx context.Context, name string) error {
	return c.do(ctx, "DELETE", nil, "operators", name)
}

// StageMasterKey makes a master key that opens and does not seal yet. Only with Options.Local.
func (c *Client) StageMasterKey(ctx context.Context) (StagedMasterKey, error) {
	return fetch[StagedMasterKey](ctx, c, "POST", nil, "master-key", "stage")
}

// RotateMasterKey adds a master key, or takes the staged one, and seals every stored secret with it. Only with Options.Local.
func (c *Client) RotateMasterKey(ctx context.Context) (RotatedMasterKey, error) {
	return fetch[RotatedMasterKey](ctx, c, "POST", nil, "master-key", "rotate")
}

// PruneMasterKeys removes master keys that seal nothing any more. Only with Options.Local.
func (c *Client) PruneMasterKeys(ctx context.Context) (PrunedMasterKeys, error) {
	return fetch[PrunedMasterKeys](ctx, c, "POST", nil, "master-key", "prune")
}

// CreateProject makes a project.
func (c *Client) CreateProject(ctx context.Context, np NewProject) (CreatedProject, error) {
	return fetch[CreatedProject](ctx, c, "POST", np, "projects")
}

// ListProjects gives the page after a cursor, "" for the first. limit 0 is 50.
func (c *Client) ListProjects(ctx context.Context, after string, limit int) (ProjectList, error) {
	return fetchList[ProjectList](ctx, c, params("after", after, "limit", limitParam(limit)), "projects")
}
