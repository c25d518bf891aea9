package adminapi

import "github.com/doorward/doorward/internal/auth"

// Bulk is what is done to many users at once.
type Bulk struct {
	Action string   `json:"action"`         // disable, enable, endSessions, sendReset, sendVerification, addRole, removeRole or delete
	UIDs   []string `json:"uids"`           // at most 1000
	Role   string   `json:"role,omitempty"` // of addRole and removeRole: name or uid
}

// BulkReport says what became of each.
type BulkReport struct {
	Done    int          `json:"done"`
	Refused int          `json:"refused"`
	Results []BulkResult `json:"results"` // in the order of the request; a user that is named twice is there once
}

// BulkResult is what became of one user. Code and Message say why it was refused, as an error of the operation on one user does.
type BulkResult struct {
	UID     string `json:"uid"`
	Done    bool   `json:"done"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

func (a *API) bulkUsers(q request, body Bulk) (BulkReport, error) {
	params := auth.BulkParams{Action: auth.BulkAction(body.Action), Role: body.Role}
	for _, uid := range body.UIDs {
		params.Users = append(params.Users, auth.UserID(uid))
	}
	results, err := a.admin.BulkUsers(q.ctx, q.caller, params)
	if err != nil {
		return BulkReport{}, err
	}
	report := BulkReport{Results: make([]BulkResult, len(results))}
	for i, r := range results {
		report.Results[i] = BulkResult{UID: string(r.User), Done: r.Refused == nil}
		if r.Refused == nil {
			report.Done++
			continue
		}
		report.Refused++
		report.Results[i].Code, report.Results[i].Message = string(r.Refused.Code), r.Refused.Message
	}
	return report, nil
}
