package main

// Where the machine has no certificates of authorities, as in a container from scratch, those of Mozilla that are in the binary count. Machines that have some
// keep their own, and SSL_CERT_FILE and SSL_CERT_DIR name others.
import _ "golang.org/x/crypto/x509roots/fallback"
