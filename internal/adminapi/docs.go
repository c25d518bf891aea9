package adminapi

import (
	"sync"

	"github.com/doorward/doorward/internal/apidocs"
)

// Docs gives the API's document, for pages that show it. It is read at the first call.
var Docs = sync.OnceValue(func() *apidocs.Document {
	d, err := apidocs.Parse(document)
	if err != nil {
		panic(err) // the program was built with a broken document
	}
	return d
})
