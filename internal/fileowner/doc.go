// Package fileowner keeps files of a server its own where root makes them: an operator who restores a backup or rotates keys as root must not lock the server out,
// which runs as another user.
package fileowner
