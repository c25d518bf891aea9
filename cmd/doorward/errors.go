package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/doorward/doorward/internal/adminapi"
)

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2 // the command line or the configuration is wrong; nothing was done
	exitNotFound = 3
)

// usageError is a mistake in the command line or the configuration.
type usageError string

func (e usageError) Error() string { return string(e) }

// notFoundError names what is not there.
type notFoundError string

func (e notFoundError) Error() string { return string(e) }

func exitCode(err error) int {
	var usage usageError
	var missing notFoundError
	var answer *adminapi.Error
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &missing), errors.As(err, &answer) && answer.Status == http.StatusNotFound:
		return exitNotFound
	}
	return exitFailed
}

type errorDocument struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
}

// printError writes the one line that says what went wrong and, where there is one, the way out.
func (a *app) printError(err error) {
	body := describe(err)
	if a.json {
		line, _ := json.Marshal(errorDocument{body}) // strings always encode
		fmt.Fprintln(a.stderr, string(line))
		return
	}
	fmt.Fprintln(a.stderr, "doorward: "+body.Message)
}

func describe(err error) errorBody {
	message := oneLine(err.Error())
	var answer *adminapi.Error
	switch {
	case errors.As(err, &answer):
		return errorBody{answer.Code, oneLine(answer.Message), answer.Field}
	case exitCode(err) == exitUsage:
		return errorBody{Code: "usage", Message: message}
	case exitCode(err) == exitNotFound:
		return errorBody{Code: "not_found", Message: message}
	}
	return errorBody{Code: "failed", Message: message}
}

// oneLine joins lines, as errors.Join makes them, and drops characters that could control a terminal.
func oneLine(s string) string { return plain(strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")) }
