// Makes table.jsonl: what Go's regexp says about patterns and texts. Run it with
// `go run main.go > table.jsonl`.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"regexp"
)

var patterns = []string{
	// From the README and the tests of container-structure-test.
	`.*httpredir\.debian\.org.*`, `.*Inst.*Security.* | .*Security.*Inst.*`, `^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}$`,
	`[a-z]+-2\.1\.*`, `my .+ label`, `root:x:0:0:root:/root:/bin/bash`, `FOO\:BAR=BAZ`, `.*FAIL.*`, `.*Usage.*`,
	// Anchors and lines.
	`^a$`, `(?m)^a$`, `\Aa\z`, `a\Z`, `a$`, `$a`, `^`, `$`, `(?s)a.b`, `a.b`, `(?m)$`, `^*a`,
	// ASCII sets.
	`\d`, `^\d+$`, `\D`, `^\w+$`, `\W`, `^\s$`, `^\S$`, `\bé`, `\bk`, `k\b`, `\Bk`, `^\B`, `(?i)^\w$`, `(?i)^\W$`, `[\d]`, `^[\D]$`, `^[^\D]$`,
	`^[\s\d]+$`, `^[^\s]$`, `^[\W_]$`, `\b{start}`, `\<k`, `k\>`,
	// Plain text that is an operator elsewhere.
	`[a&&b]`, `^[a&&b]$`, `[a--b]`, `^[+--]$`, `^[a~~b]$`, `[[a]b]`, `^[[]$`, `^[]a]$`, `^[^]a]$`, `[a-]`, `^[-a]$`, `^[a\-z]$`, `a{,5}`, `^a{,5}$`, `a{`, `^a{2`,
	`a}`, `a{1}{2}`, `x{01}`, `^a{2,3}$`, `^a{2,}$`, `^a{2}?$`, `a{1001}`, `a{1000}`, `a{3,2}`, `{2}`, `a{-1}`, `a{2,x}`, `]`, `}`, `#a`, `a b`, `&`, `~`, `-`, `a-b`, `[a-\d]`,
	`[z-a]`, `[a`, `[]`, `[^]`, `[a-z-9]`, `^[a-c-e]$`, `[\a-\f]`, `^[&-~]$`, `[[:alpha:]]`, `^[[:^alpha:]]$`, `[[:foo:]]`, `[[:alpha:]-z]`, `[:alpha:]`, `^[[:space:]]$`, `^[[:word:]]$`, `[[.a.]]`, `[[=a=]]`,
	// Repetitions.
	`a**`, `a*+`, `a*?`, `a+?`, `a??`, `a???`, `a+*`, `*a`, `+`, `?`, `|*`, `(*)`, `()*`, `(|a)*`, `(a*)*`, `a|*`, `\b*`, `(?i)*`,
	// Groups and flags.
	`(a)(b)`, `(?:a|b)`, `(?P<n>a)`, `(?<n>a)`, `(?P<n>a)(?P<n>b)`, `(?P<1>a)`, `(?P<>a)`, `(?P<n-m>a)`, `(?P=n)`, `(?P<n`, `(?i)É`, `(?i)k`, `(?i:K)a`, `(?i)ſ`, `(?-i)a`, `(?i-i)A`, `(?ii)A`, `(?is-m:A.B)`, `(?x) a`, `(?u)a`, `(?R)a`, `(?)`,
	`(?)a`, `(?-)`, `(?-:a)`, `(?i`, `(?=a)`, `(?!a)`, `(?<=a)`, `(?<!a)`, `(?>a)`, `(?#a)`, `(a`, `a)`, `()`, `(?U)a+`, `(a(?i)b)c`,
	// Escapes.
	`\_`, `\<`, `\>`, `\/`, `\-`, `\ `, `\"`, `\'`, `\%`, `\@`, `\é`, `\q`, `\e`, `\h`, `\R`, `\K`, `\X`, `\C`, `\E`, `\G`, `\N`, `\u0061`, `\U`, `\1`, `(a)\1`, `\12`, `\141`, `\0`, `\01`, `\08`, `\8`, `\9`, `\x61`, `\x{61}`, `\x{E9}`, `\x6`, `\x{}`,
	`\x{110000}`, `\xZZ`, `\x{6 1}`, `\a`, `\f`, `\n`, `\r`, `\t`, `\v`, `\cA`, `\`, `a\`, `[\b]`, `[\A]`, `[\x61-\x63]`, `[\]]`, `[\^a]`, `[\101]`, `[\q]`,
	// Quoting.
	`\Qa.b\E`, `\Qa.b`, `\Qa*\E*`, `^\Q\E$`, `\Q\\E`, `\Qa\Eb`, `[\Qa\E]`, `\Q[\E`, `(?i)\QA.B\E`, `\Q\E*`,
	// Unicode.
	`\pL`, `^\PL$`, `\p{Greek}`, `^\p{^Greek}$`, `\P{^Greek}`, `\p{Lu}`, `\pN`, `\p{Foo}`, `\p{}`, `\p`, `[\pL]`, `^[^\pL]$`, `[\P{Lu}]`, `\p{Any}`, `é`, `^.$`, `^..$`, `[é-ü]`, `^[^a]$`, `^[^\n]$`,
	``, `a`, `a|b`, `a||b`, `|`,
}

var texts = []string{
	"", "a", "b", "aa", "aaa", "ab", "a.b", "a*", "a**", "a\nb", "a\n", "\na\n", "\n", "\t", "\v", "\f", "\r", " ", "a b", "k", "K", "ok", "\u212a", "ſ", "s", "É", "é", "éa", "kéy", "0", "7", "٣", "12", "_", "-", "--", "&", "&&", "~", "^", "[", "]", "}", "{",
	"a{,5}", "a{2", "a{", "x{01}", "<k>", "/", "+", ",", ".", "A", "AB", "A\nB", "a&&b", "β", "Σ", "Z", "z", "日本", "\x00", "\x07", "\x01", "2018-01-02T03:04:05.678901", "my own label", "http://httpredir.debian.org/", "b{start}", "abc", "c", "\\", "#a", "foo:bar", "a{1}", "a{-1}", "a{2,x}", "[:alpha:]", "]]", "a.",
}

func main() {
	random := rand.New(rand.NewSource(1))
	all := append([]string{}, patterns...)
	pieces := []string{"a", "b", ".", "*", "+", "?", "|", "(", ")", "[", "]", "^", "$", "\\d", "\\w", "\\s", "\\b", "\\B", "{2}", "{1,2}", "{", "}", "-", "&&", "[^", "(?i)", "(?:", "\\Q", "\\E", "é", "k", " ", "[a-z]", "[\\d-]", "\\x41", "\\pL", ",", "\\_"}
	// Refused by us: nobody writes it, and it means something else in Rust.
	skipped := regexp.MustCompile(`\(\?i\)[*+?{]`)
	for len(all) < 1200 {
		pattern := ""
		for i := 0; i < 1+random.Intn(6); i++ {
			pattern += pieces[random.Intn(len(pieces))]
		}
		if !skipped.MatchString(pattern) {
			all = append(all, pattern)
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for number, pattern := range all {
		row := map[string]any{"pattern": pattern}
		if compiled, err := regexp.Compile(pattern); err == nil {
			matches := map[string]bool{}
			for i, text := range texts {
				// All texts for what was written by hand, some for what was not.
				if number < len(patterns) || (i+number)%7 == 0 {
					matches[text] = compiled.MatchString(text)
				}
			}
			row["matches"] = matches
		}
		if err := encoder.Encode(row); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
