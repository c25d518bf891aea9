// Package explain puts into English words how a refusal came about, for operators at the command line and in the console. What it says quotes facts as they are
// recorded: who shows it makes it fit for the medium.
package explain
