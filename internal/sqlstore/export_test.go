package sqlstore

// For the tests outside of the package.
var (
	Certificates = certificates
	WriteFile    = writeFile
)
