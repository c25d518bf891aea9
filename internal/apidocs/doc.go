// Package apidocs shows an API to the people who call it: an OpenAPI 3.1 document in, out come a page, the document with the address of the very server that
// serves it, and a Postman collection that runs as it is. It knows no API; whoever serves one hands its document in.
package apidocs
