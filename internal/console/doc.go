// Package console is the operators' console under /console: pages for people, over the same domain as the admin API. An operator is whoever signed in to the
// project [auth.ConsoleProject] on its hosted pages, with a second factor.
//
// A page is a row of a table (see page): its path, how it is shown, and what its forms do. Rooms that belong together have a file of their own, and a template
// of the same name in the folder html. A form posts to the page that it is on; its button, named "do", says which one it is. What worked leads back to a page
// with a notice (POST, redirect, GET); what did not shows the same page again, with what was typed and what was wrong with it. Nothing that changes anything is
// a GET. Pages need no script; what has one works without.
package console
