// Package adminapi is wire 2: the admin REST API under /admin/v1, the Go client that the command line uses, and the API's OpenAPI 3.1 document.
//
// A handler decodes, makes its call of the domain, and encodes. Who may call what stands in the table of routes.go; the domain checks it again. Names are
// camelCase, instants RFC 3339 in UTC, ids strings. A list is {"<plural>": […], "next": "…"}: next is the cursor for the page after, absent on the last one.
// Every error is {"error": {"code", "message", "field"}}, with field only where one is to blame.
package adminapi
