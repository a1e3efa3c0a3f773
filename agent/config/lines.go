package config

import (
	"strconv"
	"strings"
)

// lineIndex maps key paths such as sensor[1].period, and tables such as sensor[1], to lines.
type lineIndex map[string]int

// at is the line of a key, or of the nearest table around it; 0 if nothing is known.
func (ix lineIndex) at(key string) int {
	for {
		if n, ok := ix[key]; ok {
			return n
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			return 0
		}
		key = key[:cut]
	}
}

// indexLines finds where each key stands. The text has already been accepted by the TOML parser, so only its shape is followed here: tables,
// keys, and where values end. The library keeps positions to itself.
func indexLines(text string) lineIndex {
	ix := lineIndex{}
	s := &lineScanner{text: text, line: 1, ix: ix, counts: map[string]int{}}
	s.document()
	return ix
}

type lineScanner struct {
	text   string
	pos    int
	line   int
	ix     lineIndex
	counts map[string]int // number of elements seen of each array of tables
}

func (s *lineScanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *lineScanner) next() byte {
	c := s.peek()
	if s.pos < len(s.text) {
		s.pos++
	}
	if c == '\n' {
		s.line++
	}
	return c
}

// space skips blanks and comments, and line ends too if asked.
func (s *lineScanner) space(lines bool) {
	for s.pos < len(s.text) {
		switch c := s.peek(); {
		case c == ' ' || c == '\t' || c == '\r' || lines && c == '\n':
			s.next()
		case c == '#':
			for s.pos < len(s.text) && s.peek() != '\n' {
				s.next()
			}
		default:
			return
		}
	}
}

func (s *lineScanner) document() {
	table := ""
	for {
		s.space(true)
		if s.pos >= len(s.text) {
			return
		}
		line := s.line
		if s.peek() == '[' {
			table = s.header()
			s.note(table, line)
			continue
		}
		start := s.pos
		s.pair(table)
		if s.pos == start { // not TOML after all: never loop
			s.next()
		}
	}
}

func (s *lineScanner) note(path string, line int) {
	if _, ok := s.ix[path]; !ok {
		s.ix[path] = line
	}
}

// header reads [a.b] or [[a.b]] and returns the key path, with the index of the newest element after every name that is an array of tables.
func (s *lineScanner) header() string {
	s.next()
	array := s.peek() == '['
	if array {
		s.next()
	}
	parts := s.key()
	for range 2 {
		s.space(false)
		if s.peek() == ']' {
			s.next()
		}
	}
	path := ""
	for i, p := range parts {
		path = join(path, p)
		if array && i == len(parts)-1 {
			s.counts[path]++
		}
		if n := s.counts[path]; n > 0 {
			path += "[" + strconv.Itoa(n-1) + "]"
		}
	}
	return path
}

// pair reads key = value.
func (s *lineScanner) pair(table string) {
	line := s.line
	path := table
	for _, p := range s.key() {
		path = join(path, p)
		s.note(path, line)
	}
	s.space(false)
	if s.peek() == '=' {
		s.next()
	}
	s.value(path)
}

// key reads a dotted key.
func (s *lineScanner) key() []string {
	var parts []string
	for {
		s.space(false)
		switch c := s.peek(); c {
		case '"', '\'':
			parts = append(parts, s.quoted())
		default:
			start := s.pos
			for s.pos < len(s.text) && !strings.ContainsRune(" \t\r\n.=]#[{},", rune(s.peek())) {
				s.next()
			}
			parts = append(parts, s.text[start:s.pos])
		}
		s.space(false)
		if s.peek() != '.' {
			return parts
		}
		s.next()
	}
}

// quoted reads a string of any of the four kinds and returns what stands between the quotes.
func (s *lineScanner) quoted() string {
	q := s.peek()
	delim := string(q)
	if strings.HasPrefix(s.text[s.pos:], strings.Repeat(delim, 3)) {
		delim = strings.Repeat(delim, 3)
	}
	s.pos += len(delim)
	start := s.pos
	for s.pos < len(s.text) {
		if strings.HasPrefix(s.text[s.pos:], delim) {
			// A multi-line string may end with up to two quotes of its own.
			for len(delim) == 3 && s.pos+3 < len(s.text) && s.text[s.pos+3] == q {
				s.pos++
			}
			body := s.text[start:s.pos]
			s.pos += len(delim)
			return body
		}
		if s.next() == '\\' && q == '"' {
			s.next()
		}
	}
	return s.text[start:]
}

func (s *lineScanner) value(path string) {
	s.space(false)
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.next()
		for i := 0; ; i++ {
			s.space(true)
			if s.pos >= len(s.text) {
				return
			}
			if s.peek() == ']' {
				s.next()
				return
			}
			start := s.pos
			item := path + "[" + strconv.Itoa(i) + "]"
			s.note(item, s.line)
			s.value(item)
			s.space(true)
			if s.peek() == ',' {
				s.next()
			}
			if s.pos == start {
				s.next()
			}
		}
	case '{':
		s.next()
		for {
			s.space(true)
			if s.pos >= len(s.text) {
				return
			}
			switch s.peek() {
			case '}':
				s.next()
				return
			case ',':
				s.next()
				continue
			}
			start := s.pos
			s.pair(path)
			if s.pos == start {
				s.next()
			}
		}
	default:
		for s.pos < len(s.text) && !strings.ContainsRune(",]}#\n", rune(s.peek())) {
			s.next()
		}
	}
}
