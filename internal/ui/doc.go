// Package ui is what the pages for people share: the stylesheet and scripts, security headers, cookies, strict reading of forms, proof that a form was sent
// from a page of ours, and how a project looks. It knows no domain: surfaces hand in names and tokens as text.
package ui
