package password

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// A password is common if it is a word of common.txt in light disguise or a
// pattern that a rule can describe. The disguises undone are capitals, digits
// and signs in place of letters, a few characters added in front or behind,
// separators, stretched letters, repetition, and spelling backwards.
//
// The trade: some passwords are refused that no list of leaked passwords holds,
// such as a listed word between six random digits. Those are still one word
// and a short number, which an online guesser reaches. In return the list stays
// small, and a password of several words is never refused for one of them: the
// whole of it, without its padding, has to be on the list.

const (
	// maxWordLength is the longest password, in characters, compared with the
	// list, which also bounds the work. Longer ones are only checked for patterns.
	maxWordLength = 40
	// maxPadding is how many digits and signs around a word do not hide it.
	maxPadding = 6
	// maxDigits is the longest password refused for being digits alone: dates,
	// keypad figures and every PIN.
	maxDigits = 9
	// minPattern is the shortest string that is judged by its pattern.
	minPattern = 6
	// minRun is how many characters in sequence look deliberate.
	minRun = 3
	// loosePart is the share of characters outside such runs, one in loosePart,
	// that does not break a pattern.
	loosePart = 8
	// maxUnit is the longest string that is weak however often it is repeated.
	maxUnit = 4
	// cutLength is where old systems cut passwords off; their users' leaked
	// passwords are still tried as they were cut.
	cutLength = 8
)

//go:embed common.txt
var commonText string

// commonWords is the set of words in common.txt, whole and cut off at cutLength.
// A line there that starts with "#" is a comment.
var commonWords = sync.OnceValue(func() map[string]struct{} {
	words := make(map[string]struct{})
	for line := range strings.Lines(commonText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, word := range strings.Fields(line) {
			words[word] = struct{}{}
			words[word[:min(len(word), cutLength)]] = struct{}{}
		}
	}
	return words
})

// isCommon reports whether the password is a well-known one in light disguise.
func isCommon(password string) bool {
	lower := []rune(strings.ToLower(password))
	if isWeakPattern(lower) {
		return true
	}
	if len(lower) > maxWordLength {
		lower = repeatedUnit(lower)
	}
	if len(lower) > maxWordLength {
		return false
	}
	joined := slices.DeleteFunc(slices.Clone(lower), isSeparator)
	if len(joined) >= minPattern && isWeakPattern(joined) {
		return true
	}
	for _, spelling := range [][]rune{lower, joined, squeeze(lower, 1), squeeze(lower, 2), trimRepeats(lower)} {
		if slices.ContainsFunc(cores(spelling), isWeakWord) {
			return true
		}
	}
	return false
}

func isSeparator(r rune) bool { return strings.ContainsRune(" ._-/", r) }

// isWeakWord looks for a word, or what it repeats, on the list. Keyboard walks
// and other patterns count as words if there is a letter in them: taking the
// padding off a long number says nothing about it.
func isWeakWord(word []rune) bool {
	if len(word) >= minPattern && slices.ContainsFunc(word, unicode.IsLetter) && isWeakPattern(word) {
		return true
	}
	return isListed(word) || isListed(repeatedUnit(word))
}

// isListed looks for a word on the list, read forwards and backwards, as it
// stands and with letters for digits.
func isListed(word []rune) bool {
	backwards := slices.Clone(word)
	slices.Reverse(backwards)
	for _, s := range []string{string(word), string(backwards)} {
		for _, spelling := range append(unleet(s), s) {
			if _, ok := commonWords()[spelling]; ok {
				return true
			}
		}
	}
	return false
}

// cores returns s without each of its paddings: up to maxPadding characters
// that are not letters at either end. Padding of any length goes when it is
// a pattern itself.
func cores(s []rune) [][]rune {
	left := paddingLength(s)
	backwards := slices.Clone(s)
	slices.Reverse(backwards)
	right := paddingLength(backwards)

	var found [][]rune
	for i := 0; i <= min(left, maxPadding); i++ {
		for j := 0; j <= min(right, maxPadding-i, len(s)-i); j++ {
			found = append(found, s[i:len(s)-j])
		}
	}
	if left+right < len(s) && isPlainPadding(s[:left]) && isPlainPadding(s[len(s)-right:]) {
		found = append(found, s[left:len(s)-right])
	}
	return found
}

func paddingLength(s []rune) int {
	n := slices.IndexFunc(s, unicode.IsLetter)
	if n < 0 {
		return len(s)
	}
	return n
}

func isPlainPadding(s []rune) bool { return len(s) <= maxUnit || isWeakPattern(s) }

// isWeakPattern reports whether s follows from a rule: nearly empty of
// variety, a repetition of something short, digits alone, or a few sequences
// and keyboard walks one after the other.
func isWeakPattern(s []rune) bool {
	if distinct(s, 2) {
		return true
	}
	unit := repeatedUnit(s)
	if len(unit) < len(s) && (len(unit) <= maxUnit || isWeakPattern(unit)) {
		return true
	}
	if len(s) <= maxDigits && !slices.ContainsFunc(s, notDigit) {
		return true
	}
	return len(s) >= minPattern && looseCharacters(s)*loosePart <= len(s)
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// distinct reports whether s has at most limit different characters.
func distinct(s []rune, limit int) bool {
	seen := make([]rune, 0, limit)
	for _, r := range s {
		if slices.Contains(seen, r) {
			continue
		}
		if len(seen) == limit {
			return false
		}
		seen = append(seen, r)
	}
	return true
}

// repeatedUnit returns the shortest string that s is a repetition of, which may
// be s itself. The last repetition may be cut short if there are two before it.
// The table is that of Knuth, Morris and Pratt: the longest proper border of
// each prefix.
func repeatedUnit(s []rune) []rune {
	if len(s) == 0 {
		return s
	}
	border := make([]int, len(s))
	for i := 1; i < len(s); i++ {
		b := border[i-1]
		for b > 0 && s[i] != s[b] {
			b = border[b-1]
		}
		if s[i] == s[b] {
			b++
		}
		border[i] = b
	}
	period := len(s) - border[len(s)-1]
	if len(s)%period == 0 || len(s) > 2*period {
		return s[:period]
	}
	return s
}

// looseCharacters counts the characters of s that are in no run of at least
// minRun, where a run is a sequence in the alphabet or among the digits, a
// repeated character, or a walk over neighbouring keys.
func looseCharacters(s []rune) int {
	loose, start := 0, 0
	for i := 1; i <= len(s); i++ {
		if i < len(s) && follows(s[i-1], s[i]) {
			continue
		}
		if i-start < minRun {
			loose += i - start
		}
		start = i
	}
	return loose
}

// follows reports whether b comes next after a in a run.
func follows(a, b rune) bool {
	if ua, ub := unshift(a), unshift(b); ua == ub || neighbours(ua, ub) {
		return true
	}
	step := b - a
	return (step == 1 || step == -1) && isASCIIAlphanumeric(a) && isASCIIAlphanumeric(b)
}

func isASCIIAlphanumeric(r rune) bool { return r >= 'a' && r <= 'z' || !notDigit(r) }

// The rows of the US keyboard. The key in column c of one row touches those in
// columns c-1 and c of the row below.
var keyRows = []string{"1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"}

type key struct{ row, column int }

var keys = sync.OnceValue(func() map[rune]key {
	m := make(map[rune]key)
	for row, line := range keyRows {
		for column, r := range line {
			m[r] = key{row, column}
		}
	}
	return m
})

// neighbours reports whether two keys touch.
func neighbours(a, b rune) bool {
	ka, okA := keys()[a]
	kb, okB := keys()[b]
	if !okA || !okB {
		return false
	}
	if ka.row > kb.row {
		ka, kb = kb, ka
	}
	right := kb.column - ka.column
	if ka.row == kb.row {
		return right == 1 || right == -1
	}
	return kb.row == ka.row+1 && (right == 0 || right == -1)
}

// unshift gives the digit whose key also makes r, on the US keyboard.
func unshift(r rune) rune {
	if i := strings.IndexRune("!@#$%^&*()", r); i >= 0 {
		return rune("1234567890"[i])
	}
	return r
}

// squeeze shortens each run of three or more equal characters to n.
func squeeze(s []rune, n int) []rune {
	var out []rune
	for i := 0; i < len(s); {
		run := runLength(s[i:])
		if run < minRun {
			out = append(out, s[i:i+run]...)
		} else {
			out = append(out, s[i:i+n]...)
		}
		i += run
	}
	return out
}

// trimRepeats cuts a run of three or more equal characters off either end.
func trimRepeats(s []rune) []rune {
	s = slices.Clone(s)
	for range 2 {
		if n := runLength(s); n >= minRun {
			s = s[n:]
		}
		slices.Reverse(s)
	}
	return s
}

// runLength counts how often the first character of s stands at its start.
func runLength(s []rune) int {
	n := 0
	for n < len(s) && s[n] == s[0] {
		n++
	}
	return n
}

// Digits and signs commonly put in place of letters; 1 stands for two letters.
var (
	leetAsL = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "@", "a",
		"5", "s", "$", "s", "7", "t", "+", "t", "8", "b", "9", "g", "!", "i")
	leetAsI = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "@", "a",
		"5", "s", "$", "s", "7", "t", "+", "t", "8", "b", "9", "g", "!", "i")
)

// unleet returns the readings of s with letters in place of digits and signs.
func unleet(s string) []string { return []string{leetAsL.Replace(s), leetAsI.Replace(s)} }
