// Prints what moby's patternmatcher and ignorefile say, for tests/ignore_table.rs to compare with.
//
//	go run . > table.jsonl
package main

import (
	"encoding/json"
	"math/rand"
	"os"
	"sort"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

type matches struct {
	Patterns  []string `json:"patterns"`
	Ignored   []string `json:"ignored,omitempty"`
	Kept      []string `json:"kept,omitempty"`
	Malformed bool     `json:"malformed,omitempty"`
}

type file struct {
	File string   `json:"file"`
	Read []string `json:"read"`
}

var out = json.NewEncoder(os.Stdout)

func try(patterns []string, paths []string) {
	row := matches{Patterns: patterns}
	sort.Strings(paths)
	for i, path := range paths {
		if i > 0 && paths[i-1] == path {
			continue
		}
		// moby compiles a pattern when it first needs it; ours are refused at once.
		for _, pattern := range patterns {
			if _, err := patternmatcher.MatchesOrParentMatches(path, []string{strings.TrimPrefix(strings.TrimSpace(pattern), "!")}); err != nil {
				row.Malformed = true
			}
		}
		matched, err := patternmatcher.MatchesOrParentMatches(path, patterns)
		if err != nil {
			row.Malformed = true
		}
		if matched {
			row.Ignored = append(row.Ignored, path)
		} else {
			row.Kept = append(row.Kept, path)
		}
	}
	if row.Malformed {
		row.Ignored, row.Kept = nil, nil
	}
	must(out.Encode(row))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	out.SetEscapeHTML(false)
	paths := []string{
		"a", "b", "ab", "a/b", "a/b/c", "b/a", ".a", ".git/config", "a.go", "x/a.go", "x/y/a.go", "x/y/z/a.go",
		"docs/README.md", "README.md", "a b", "é", "é/a", "a*b", "a+b", "a[b]", "a\\b", "!a", "#a", "(a)", "a^b", "^a",
		"a$", "1", "d", "a1", "a_", "_", "axb", "a/xb", "]", "a]", "-", "a-", "node_modules", "src/node_modules/x",
	}
	single := []string{
		"a", "/a", "a/", "./a", "a/.", "a/..", "a/../b", "..", "../a", ".", "/", "!", "! a", " a ", "", "  ", "a//b",
		"*", "**", "***", "****", "*/*", "**/*", "**/**", "*/**", "**/a", "a/**", "a**", "**a", "a**b", "a/**/b", "**/a/**", "**/**/a", "**/*a*",
		"a/**/", "a/**/*", "**/b/c", "*a", "a*", "a*b", "?", "??", "a?", "?/b", "a?b", "*.go", "**/*.go", "**.go", "x/**/*.go", "x/*/*.go", "*.*",
		".*", "**/.*", ".git", ".git/*", "[a]", "[^a]", "[!a]", "[ab]", "[a-z]", "[^a-z]*", "[z-a]", "[]", "[]a]", "[a", "a]", "[a]]", "[[a]", "[a-]", "[-a]", "[^]",
		"[*]", "[?]", "[**]", "a[*]b", "a[?]b", "[a*b]", "[a?b]", "[a**b]", "[\\]]", "[\\*]", "[a\\-z]", "[[:alpha:]]", "[[:digit:]]", "[[:^alpha:]]", "[[:no:]]", "[:alpha:]", "[.]*", "[+]", "[a.b]",
		"\\a", "\\*", "a\\*b", "\\?", "\\[a\\]", "a\\[b\\]", "\\\\", "a\\\\b", "\\", "a\\", "\\d", "\\D", "\\s", "\\w", "\\W", "\\w*", "[\\d]", "[\\w-]", "a\\b*", "\\Ba", "\\Aa", "a\\z", "\\y", "\\é", "\\!a", "\\#a", "\\+", "\\.a",
		"^a", "^a*", "a^b", "a^*", "$", "a$", "a$*", "a+b", "a+*", "(a)", "(a)*", "a|b", "a|b*", "{a,b}", "a{1}*", "a{1}", "{1}a*", "a{2}?", "[ab]{2}*", "[ab]{1,2}/*", "a{0,}/?", "a{,2}*", "a{2,1}*", "a{1001}*", "*{2}", "**/{2}*", "a{1}{1}*", "a{1", "a{01}*", "a|", "|", "|*", "*|b", "x|y|z*", "a*|[b]", "*.{go,md}", "a|{1}*", "\\d{1}", "é", "?/a", "é*", "[é]", "[à-ü]", "#a", "!!a", "!a", "a b", "a[ ]b",
		"A", "readme.md", "README.MD", "Docs", "docs/readme.md", "*.MD", "*.GO", "**/readme.*", "[A-Z]*", "[a-z]*.md", "**/[R]*", "DOCS/**", "Node_Modules/", "docs/", "**/docs/", "*.go/", "a/b/", "É",
		"\ufeffa", "\ufeffa*", "a\tb", "\ta", "-", "[--]", "a/b/c", "a/b/c/d", "*/b", "*/*/c", "**/c", "**/node_modules", "node_modules", "README.md", "docs/*.md", "**/*.md",
	}
	for _, pattern := range single {
		try([]string{pattern}, append([]string{}, paths...))
	}
	lists := [][]string{
		{"*", "!a"}, {"*", "!a/b"}, {"**", "!**/*.go"}, {"a", "!a/b", "a/b/c"}, {"!a", "a"}, {"a", "!a"}, {"*", "!x", "x/y", "!x/y/z"},
		{"**/*.md", "!README.md"}, {"*", "!*.go", "!docs"}, {"*", "!./x/"}, {"*", "!/x"}, {"x/*", "!x/y"}, {"*", "!**/node_modules", "**/x"},
		{"**/a", "!**/x/**"}, {"*", "!?"}, {"*", "!\\!a"}, {"a", "", "!a/b"}, {"*", "!readme.md"}, {"*", "!README.md"}, {"docs/", "!docs/README.md"}, {"DOCS", "!docs"}, {}, {"", " "}, {"*", "! a"}, {"!x", "*"},
	}
	for _, patterns := range lists {
		try(patterns, append([]string{}, paths...))
	}
	random := rand.New(rand.NewSource(20261121))
	pieces := []string{"a", "b", "ab", "c", "*", "**", "?", "a*", "*b", "[ab]", "[^a]", "**/", "/", "/", ".", "..", "a.b", "\\a", "\\*", "é", "x", "|", "{1,2}", "\\w"}
	steps := []string{"a", "b", "ab", "abb", "c", "a.b", "x", "é", "..a", "*"}
	for range 500 {
		var patterns []string
		for range 1 + random.Intn(4) {
			pattern := ""
			if random.Intn(3) == 0 {
				pattern = "!"
			}
			for range 1 + random.Intn(5) {
				pattern += pieces[random.Intn(len(pieces))]
			}
			patterns = append(patterns, pattern)
		}
		var paths []string
		for range 10 {
			var path []string
			for range 1 + random.Intn(4) {
				path = append(path, steps[random.Intn(len(steps))])
			}
			paths = append(paths, strings.Join(path, "/"))
		}
		try(patterns, paths)
	}
	files := []string{
		"", "\n", "a", "a\nb", "a\r\nb\r\n", "\ufeffa\n\ufeffb", "# a\n #b\n#", "!a\n! b\n!\n! /c/\n!/", "/a\n//a\n/\n./a/../b/\n..\n../a", " a \n\tb\t",
		"\\#a\n\\!b", "a\n\n\n  \nb", "*/\n**/\n/**/a", "!!a\n!#b",
	}
	for _, text := range files {
		read, err := ignorefile.ReadAll(strings.NewReader(text))
		must(err)
		if read == nil {
			read = []string{}
		}
		must(out.Encode(file{text, read}))
	}
}
