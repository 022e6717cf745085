package main

import "fmt"

// Plain scalars whose meaning depends on the reader.
var scalars = []string{
	"", "~", "null", "Null", "NULL", "nULL", "nil", "none",
	"true", "True", "TRUE", "tRUE", "false", "False", "FALSE", "yes", "Yes", "YES", "yEs", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF",
	"y", "Y", "n", "N", "t", "f",
	"0", "-0", "+0", "00", "1", "+1", "-1", "--1", "+-1", "12", "007", "0644", "-0644", "+0644", "08", "09", "-08", "0o644", "-0o644", "+0o644", "0O644", "0o8", "0o",
	"0x1F", "0X1f", "-0x1F", "+0x1F", "0x", "0xG", "0b11", "0B11", "-0b11", "+0b11", "0b2", "0b",
	"1_000", "1__000", "_1", "1_", "0x_1F", "0b1_1", "0_644", "1_0.5", "1_e3",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
	"12345678901234567890", "9007199254740993", "123456789012345678901234567890", "0xFFFFFFFFFFFFFFFF", "0x10000000000000000", "0777777777777777777777", "0b1111111111111111111111111111111111111111111111111111111111111111",
	"1.5", "-1.5", "+1.5", "1.", "-1.", ".5", "-.5", "+.5", ".", "..", "...x", "1.10", "1.0", "0.0", "-0.0", "01.5", "1.5.0", "1,5", "1.2e3", "1e3", "1E3", "1e+3", "1e-3", "1e", "e3", ".e3", "1.e3",
	"123e4567", "1e1000", "-1e1000", "1e-1000", "1e308", "1e309", "5e-324", "0x1p3", "0x1.8p1", "1p3", "Infinity", "inf", "Inf", "INF", "-inf", "+inf", ".inf", ".Inf", ".INF", ".iNF", "-.inf", "+.inf", "-.Inf", "nan", "NaN", ".nan", ".NaN", ".NAN", ".Nan", "+.nan",
	"1:30", "09:30", "1:30:45", "190:20:30", "1:60", "1:30.5", "20:99", "-1:30",
	"2001-01-01", "2001-1-1", "2001-13-01", "2001-01-01T00:00:00Z", "2001-01-01t00:00:00z", "2001-01-01 00:00:00", "2001-01-01 00:00:00.5 +02:00", "2001-01-01T00:00:00.123456789Z", "2001-01-01T00:00:00+05:30", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5", "20010101", "2001-01", "10000-01-01",
	"v1", "1.2.3", "a", "abc", "a b", "a-b", "-a", "-", "--", "?a", "?", ":a", "a:b", "a:", "a: b", "#a", "a#b", "a #b", "!a b", "@a", "`a`", "%a", "&", "*", "&a", "&a b", "*a", "!", "!!", "!!str", "!!str 1", "!!int 1", "!!int '1'", "!!int a", "!!int 1.5", "!!float 1", "!!float '1.5'", "!!float a", "!!bool yes", "!!bool true", "!!bool 'true'", "!!bool a", "!!null ''", "!!null a", "!!binary aGVsbG8=", "!!binary '!!'", "!!binary gA==", "!!timestamp 2001-01-01", "!!timestamp a", "!!timestamp '2001-01-01'", "!foo bar", "!foo 1", "!foo 'x'", "!foo [1]", "!foo {a: 1}", "!<tag:yaml.org,2002:str> 1", "!<tag:yaml.org,2002:int> 1", "! 1", "! a", "! '1'", "!!seq [a]", "!!map {a: 1}", "!!set {a, b}", "!!omap [a: 1]", "!!seq a", "!!map a", "!!merge <<", "!!str ~", "!!str", "!!str true", "!!str 2001-01-01", "!!str [a]", "!!value =",
	"=", "<<", "<", ">", ">a", "|", "|a", "'", "\"", "''", "\"\"", "'a'", "\"a\"", "'true'", "\"true\"", "'1'", "\"0644\"", "'~'", "'null'", "'2001-01-01'", "'a''b'", "\"a\\nb\"", "\"\\x41\"", "\"\\u00e9\"", "\"\\U0001F600\"", "\"\\uD83D\\uDE00\"", "\"\\uD83D\"", "\"\\/\"", "\"\\e\"", "\"\\0\"", "\"\\a\\b\\t\\v\\f\\r\"", "\"\\_\\N\\L\\P\"", "\"\\q\"", "\"\\'\"", "'a\\nb'", "\"a\\\\b\"", "\"tab\there\"", "a\tb", "'a\tb'",
	"[]", "{}", "[ ]", "{ }", "[a]", "[a, b]", "[a, b, ]", "[a,, b]", "[,]", "[a b, c]", "{a: 1}", "{a: 1, b: 2}", "{a: 1, }", "{a, b}", "{a}", "{a:}", "{a: }", "{a:1}", "{\"a\":1}", "{'a':1}", "{a : 1}", "[a: 1]", "[a: 1, b: 2]", "[? a : 1]", "{? a : 1}", "[[a], [b]]", "[{a: 1}, {b: 2}]", "{a: {b: {c: 1}}}", "{1: a}", "{true: a}", "{~: a}", "{1.5: a}", "{[a]: b}", "{{a: 1}: b}", "{a: 1, a: 2}", "[a", "{a", "{a: 1", "a]", "a}", "[a]]", "{a}}", "[a] b", "a, b", "{{x}}", "{{ .Values.x }}", "[[ -f x ]]", "http://a.b/c?d=e#f", "a/b:c", "a:b:c", "{a: b:c}", "[a:b]", "{a:b}", "[http://a/b]", "[-1, - 1]", "[-]", "[a #b\n]", "[\na,\nb\n]",
	"123e45", "1e2", "12e03", "0e0", "0e12345", "00e1", "6e7", "1234567e8", "deadbeef", "0123", "0123abc", "1a", "0x1G", "1_a", "١", "é", "日本", "\u00a0", "a\u00a0", "\ufeffa", "\u0085", "a\u2028b", "😀",
	"- a", "? a", "a\\b", "C:\\x", "a'b", "a\"b", "'a", "\"a", "'a' b", "\"a\" b", "'a'b", "a 'b'", "*a b", "%", "%YAML", "---", "--- a", "...", "-- -", "---a", "a ---",
	"1 ", " 1", "true ", "1 # c", "true#c", "yes # c", "null # c", "12 34", "1-2", "1/2", "50%", "1k", "100m", "1Gi", "0.1.0", "1.20", "3.10", "1e5m",
	".1_0", "0.1_0", "1_0", "+1_000", "-1_000", "0b_1", "0o_7", "0o7_7", "0x1_F", "1.5_5", "+.5_5", ".5e3", "+.5e+3", "-.5e-3", "0.e1", "685_230.15", "6.8523015e+5", "685.230_15e+03", "190:20:30.15", "02472256", "+685230", "0b1010_0111_0100_1010_1110", "0x_0A_74_AE",
}

// Documents whose form matters.
var forms = []string{
	"", " ", "\n", "# c\n", "---\n", "---\n...\n", "...\n", "---\na: 1\n...\n", "%YAML 1.1\n---\na: 1\n", "%YAML 1.2\n---\na: 1\n", "%YAML 1.3\n---\na: 1\n", "%YAML 2.0\n---\na: 1\n", "%TAG ! tag:x,2000:\n---\na: !y 1\n", "%FOO bar\n---\na: 1\n", "\ufeffa: 1\n", "a: 1\r\nb: 2\r\n", "a: 1\rb: 2\r",
	"a: 1\nb: 2\n", "a: 1\n b: 2\n", " a: 1\nb: 2\n", " a: 1\n b: 2\n", "a:\n  b: 1\n", "a:\n- b\n", "a:\n  - b\n", "a:\n- b\n- c\nd: 1\n", "a:\n -b\n", "- a\n- b\n", "- - a\n  - b\n", "- a: 1\n  b: 2\n", "-\n  a: 1\n", "- \n- \n", "a:\nb:\n", "a:\n\n\nb: 1\n", "a: b\n  c\n", "a: b\n\n  c\n", "a: 'b\n  c'\n", "a: 'b\n\n  c'\n", "a: \"b\n  c\"\n", "a: \"b\\\n  c\"\n", "a: \"b\\n\n  c\"\n",
	"a: |\n  b\n  c\n", "a: |-\n  b\n  c\n", "a: |+\n  b\n\n", "a: >\n  b\n  c\n", "a: >-\n  b\n  c\n", "a: >+\n  b\n\n", "a: >\n  b\n\n  c\n", "a: >\n  b\n   c\n  d\n", "a: |2\n   b\n", "a: |1\n  b\n", "a: |2-\n   b\n", "a: |\n\n  b\n", "a: |\n    b\n   c\n", "a: |\nb: 1\n", "a: |\n", "a: |-\n", "a: >\n", "a: | # c\n  b\n", "a: |0\n  b\n", "a: |\n  # b\n  c\n", "a: |\n  b\n # c\n", "a: |\n\tb\n", "a: |\n  \tb\n", "a: |-\n  b\n  \n  ", "- |\n b\n- c\n", "a: |\n  b: c\n  - d\n", "a: !!str |\n  b\n", "a: &x |\n  b\nc: *x\n", "|\n a\n", ">\n a\n b\n", "--- |\na\n", "--- >\na\n", "--- a\n", "--- # c\na: 1\n",
	"\ta: 1\n", "a:\t1\n", "a: 1\t\n", "a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "a: 1 \t# c\n", "-\ta\n", "- \ta\n", "a: [\n\tb]\n", "a: {\n\tb: 1\n}\n", "a:\t\n  b: 1\n", "a: b\n\tc\n", "a: 'b\n\tc'\n",
	"a: &x 1\nb: *x\n", "a: &x {c: 1}\nb: *x\n", "a: *x\n", "a: &x [*x]\n", "a: &x 1\nb: &x 2\nc: *x\n", "&x a: 1\nb: *x\n", "a: &x\nb: *x\n", "a: &x b\n*x : c\n", "a: &x b\n*x: c\n", "- &x a\n- *x\n", "&x [a, *x]\n", "a: &x !!str 1\nb: *x\n", "a: !!str &x 1\nb: *x\n", "a: &x&y 1\n", "a: & 1\n", "a: *\n", "a: &x-y.z 1\nb: *x-y.z\n", "a: &x 1\n---\nb: *x\n", "a: &x *y\n", "a: &x [1, 2]\nb: [*x, *x]\n",
	"base: &b {k: 1, l: 2}\na:\n  <<: *b\n", "base: &b {k: 1, l: 2}\na:\n  <<: *b\n  k: 2\n", "base: &b {k: 1, l: 2}\na:\n  k: 2\n  <<: *b\n", "x: &x {k: 1}\ny: &y {k: 2, m: 3}\na:\n  <<: [*x, *y]\n", "x: &x {k: 1}\ny: &y {k: 2, m: 3}\na:\n  <<: [*y, *x]\n", "x: &x {k: 1}\ny: &y {k: 2}\na:\n  <<: *x\n  <<: *y\n", "a:\n  <<: {k: 1}\n", "a:\n  <<: 1\n", "a:\n  <<: [1]\n", "a:\n  <<: []\n", "a:\n  <<: ~\n", "a:\n  <<:\n", "a:\n  '<<': {k: 1}\n", "a:\n  \"<<\": {k: 1}\n", "a:\n  !!str <<: {k: 1}\n", "a:\n  !!merge <<: {k: 1}\n", "a: <<\n", "<<: {a: 1}\n", "- <<: {a: 1}\n", "x: &x {<<: {k: 1}}\na: {<<: *x, l: 2}\n", "x: &x {k: {a: 1, b: 2}}\na:\n  <<: *x\n  k: {a: 3}\n", "x: &x\n  - a\na:\n  <<: *x\n", "a: {<<: {b: 1}, b: 2, <<: {b: 3}}\n", "x: &x {1: a, true: b}\na: {<<: *x, 2: c}\n", "a:\n  <<: [{k: 1}, {k: 2}]\n", "a:\n  <<: [[{k: 1}]]\n",
	"a: 1\na: 2\n", "a: 1\n'a': 2\n", "a: 1\n\"a\": 2\n", "1: a\n'1': b\n", "1: a\n01: b\n", "1: a\n1.0: b\n", "true: a\n'true': b\n", "true: a\nyes: b\n", "y: a\ntrue: b\n", "~: a\nnull: b\n", "null: a\n'': b\n", "0x1: a\n1: b\n", "a: {b: 1}\na: {c: 1}\n", "[a]: b\n", "? [a]\n: b\n", "? {a: 1}\n: b\n", "? a\n: b\n", "? a\n", "? |\n  a\n: b\n", "? a\n? b\n", "? a\n: b\n? c\n: d\n", ": b\n", "'': b\n", "a : b\n", "a  :  b\n", "\"a\": b\n", "\"a\" : b\n", "'a b': c\n", "a b: c\n", "a\n b: c\n", "2001-01-01: a\n", "on: a\n", "yes: a\nno: b\n", "y: 2\n", "n: 2\n", "off: x\n", "1.5: a\n", "0644: a\n", ".inf: a\n", ".nan: a\n", "-: a\n", "-a: b\n", "?a: b\n", "#a: b\n", "a#: b\n", "a: b: c\n", "a: 'b': c\n", "a: - b\n", "a: [b]: c\n", "- a: - b\n", "a: ? b\n", "{a: b}: c\n", "a: b\nc\n", "a: b\n- c\n", "- a\nb: c\n", "a:\n  b\n  c: d\n", "a: [b\nc: d\n", "a: {b\nc: d\n", "a: 'b\nc: d\n", "a: [\n]\n", "a: [b,\nc]\n", "a: {b: 1,\nc: 2}\n", "a: {b: 1\nc: 2}\n", "a:\n- b\n c\n", "a:\n  - b\n c: d\n", "a:\n    b: 1\n  c: 2\n",
	"a: 1 # c\n# d\nb: 2\n", "a: # c\n  b: 1\n", "a: # c\n- b\n", "# c\na: 1\n", "a: 1\n  # c\nb: 2\n", "a: 'b' # c\n", "a: 'b'# c\n", "a: [b] # c\n", "a: [b]# c\n", "a: b# c\n", "a: \"b # c\"\n", "a: |\n  b # c\n", "- # c\n  a\n", "a:#c\n", "a: #c\n",
	"a: 1\n---\nb: 2\n", "a: 1\n...\nb: 2\n", "--- {a: 1}\n--- {b: 2}\n", "a: 1\n--- b\n", "a\n---\nb\n",
	"a: \"\\\"\"\n", "a: \"b\n---\nc\"\n", "a: 'b\n---\nc'\n", "a: b\n...c\n", "a: !!binary |\n  aGVs\n  bG8=\n", "a: !!int\n", "!!map\na: 1\n", "!!seq\n- a\n", "!foo\na: 1\n", "a: !foo\n  b: 1\n", "a: !<x> 1\n", "a: !x!y 1\n", "a: !!x 1\n", "a: !x%20y 1\n", "a: !x,y 1\n", "[!x a, !y b]\n",
	"a: \x00\n", "a: \x07\n", "a: \x1b[0m\n", "a: \x7f\n", "a: \u0080\n", "a: \xff\n", "a: \xc3\xa9\n", "a: \xc3\n", "a: \ufffe\n", "a: \U0010ffff\n", "a: \"\x01\"\n", "a: \xed\xa0\x80\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {x: y}\ndata:\n  mode: 0644\n  on: on\n  sha: 123e4567\n", "spec:\n  containers:\n  - name: a\n    image: b:1.10\n    args: [\"-c\", 'x', -v, --y=z]\n    ports:\n    - containerPort: 80\n",
}

func docs() []string {
	var all []string
	for _, scalar := range scalars {
		all = append(all, fmt.Sprintf("a: %s\n", scalar), scalar, fmt.Sprintf("- %s\n", scalar), fmt.Sprintf("[%s]\n", scalar), fmt.Sprintf("{a: %s}\n", scalar), fmt.Sprintf("%s: a\n", scalar))
	}
	return append(all, forms...)
}
