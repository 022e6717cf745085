// Writes the tables that the tests of charts compare with: what helm 3's own packages say of ranges of
// versions, of `.helmignore` and of the digests of locks.
//
//	go run . FOLDER
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/ignore"
	"helm.sh/helm/v3/pkg/provenance"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Lines of `range<TAB>` and, for each version, `1`, `0`, or `-` where helm takes no such version; `!` for no range.
func versions(random *rand.Rand) string {
	versions := []string{
		"0.0.0", "0.0.1", "0.0.3", "0.0.4", "0.1.0", "0.2.3", "0.2.9", "0.3.0", "1.0.0", "1.0.0-alpha", "1.0.0-alpha.1",
		"1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.1", "1.2.0", "1.2.3", "1.2.3-beta",
		"1.2.3+build", "1.2.4", "1.3.0", "1.10.0", "2.0.0", "2.0.0-0", "2.1.0-rc.1", "2.3.4", "10.0.0", "v1.2.3", "1", "1.2",
		"v2", "01.2.3", "1.02.3", "1.2.3-01", "1.2.3-0a", "", "x", "1.x", "1.2.3.4", "1.2.3-", "1.2.3+", "1.2.3-a..b", "V1.2.3",
		" 1.2.3", "1.2.3-a+b-c.1", "18446744073709551615.0.0", "18446744073709551616.0.0", "1.2.3-a_b", "1.2.3-99", "1.2.3-103",
		"-1.2.3", "1..3", "1.2.", "1.2.3é",
	}
	ranges := []string{
		"", "*", "x", "X", ">=0.0.0", ">=0.0.0-0", "1", "1.2", "1.2.3", "v1.2.3", "=1.2.3", "= 1.2.3", "==1.2.3", "!=1.2.3", "!=1.2", "!=1", "!=1.2.x",
		">1", ">1.2", ">1.2.3", ">=1", ">=1.2", "=>1.2.3", "<1", "<1.2", "<1.2.3", "<=1", "<=1.2", "<=1.2.3", "=<1.2.3", "~1", "~1.2",
		"~1.2.3", "~>1.2", "~ 1.2", "^1", "^1.2", "^1.2.3", "^0", "^0.0", "^0.0.3", "^0.2", "^0.2.3", "^0.2.3-beta", "^*", "~*", "^1.x", "~1.x.x",
		"1.x", "1.X.x", "1.*", "1.2.*", ">=1.2 <2", ">=1.2, <2", ">= 1.2.0 , < 2.0.0", ">=1.2,<2", ">=1.2<2", "1.0 - 2.0", "1.2.3 - 2", "1.2 - 1.x", "1-2", "1 -2",
		"^1 || ^2", "^1||~2.0", "<1 || >=2 <3", "||", "|| 1", "1 ||", "1.0.0-alpha", ">=1.0.0-alpha", ">1.0.0-alpha <1.0.0", "~1.0.0-beta", "^1.0.0-beta.2",
		">=1.0.0-0", "<2.0.0-0", "*-0", ">*", ">=*", "!=*", "a", "1.a", "1.2.3.4", "1.2.3-", "~>", "^", ">", "1 2", "1, 2", "1,", ", 1", "1 || a",
		"1|2", "12.x", "1x", "xx", "11", ">=1.2.3+build", "1.2.3+build", "^1.2.3+build", " 1.2.3 ", "\t1.2.3", "1.2.3 - 2.3.4 || 10", "~0.0.0", "~0", "~0.0",
		">= 1.2.3 - 2.0.0", "1.0.0 - 1.2.0 - 2.0.0", "^v1.2", "=v1", "V1", "01", "1.02", "~2.0.0-0", "!=1.2.3-beta", "!=1.2.3-beta.x", ">1-0", "<=2-0", "1.2-beta", "1-beta",
		strings.Repeat("1 || ", 31) + "1", strings.Repeat("1 || ", 32) + "1", strings.Repeat(" ", 511) + "1", strings.Repeat(" ", 512) + "1",
	}
	parts := []string{"1", "0", "2", ".", ".", "x", "*", "-", " - ", " ", "||", ",", "<", ">", "=", "!", "~", "^", "v", "beta", "+", "3", "|"}
	for i := 0; i < 1500; i++ {
		var r strings.Builder
		for j := 1 + random.Intn(7); j > 0; j-- {
			r.WriteString(parts[random.Intn(len(parts))])
		}
		ranges = append(ranges, r.String())
	}
	ops := []string{"", "", "=", "!=", "<", "<=", ">", ">=", "~", "^", "~>", "=>"}
	vs := []string{"1", "1.2", "1.2.3", "0.2", "0.0.3", "2", "1.x", "2.0.0-0", "1.0.0-beta.2", "*", "0", "1.2.x", "10"}
	seps := []string{" ", ", ", " || ", ",", " - ", "||"}
	for i := 0; i < 600; i++ {
		r := ops[random.Intn(len(ops))] + vs[random.Intn(len(vs))]
		for random.Intn(2) == 0 {
			r += seps[random.Intn(len(seps))] + ops[random.Intn(len(ops))] + vs[random.Intn(len(vs))]
		}
		ranges = append(ranges, r)
	}
	var out strings.Builder
	list, err := json.Marshal(versions)
	check(err)
	out.Write(list)
	out.WriteString("\n")
	seen := map[string]bool{}
	for _, r := range ranges {
		if seen[r] {
			continue
		}
		seen[r] = true
		name, err := json.Marshal(r)
		check(err)
		out.Write(name)
		out.WriteString("\t")
		constraint, err := semver.NewConstraint(r)
		if err != nil {
			out.WriteString("!\n")
			continue
		}
		for _, v := range versions {
			version, err := semver.NewVersion(v)
			switch {
			case err != nil:
				out.WriteString("-")
			case constraint.Check(version):
				out.WriteString("1")
			default:
				out.WriteString("0")
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

type file struct{ folder bool }

func (f file) Name() string       { return "" }
func (f file) Size() int64        { return 0 }
func (f file) Mode() fs.FileMode  { return 0 }
func (f file) ModTime() time.Time { return time.Time{} }
func (f file) IsDir() bool        { return f.folder }
func (f file) Sys() any           { return nil }

// Lines of JSON: the rules, and for each path whether it is left out; a path that ends with `/` is a folder's.
func ignored(random *rand.Rand) string {
	texts := []string{
		"", "# only a comment", "*.txt", "\ufeff*.txt", "mydir/", "/foo.txt", "a[b-d].txt", "!*.yaml", "*.tmp\n!keep.tmp", "!keep.tmp\n*.tmp", "templates/", "/templates/*.yaml",
		"a/b", "a/*", "a/*/c", ".*", "!/values.yaml", "**", "a/**/b", "[", "a\\", "\\#x", "  foo.txt  ", "foo.txt # no comment", "/", "//a", "!a/", "charts/*.tgz", "?", "[^a]*", "*/",
		"Chart.yaml", "\r\nfoo.txt\r\n", "a?b", "[a-", "\\!a", "!", "!!a", "/a/", "a/b/", "[]a]", "*", "templates/.?*", "é", "a//b",
	}
	pieces := []string{"a", "b", "c.txt", "*", "?", "/", "/", "[ab]", "!", ".", "foo", "charts", "templates", "\\", "[^a]", "#"}
	for i := 0; i < 250; i++ {
		var lines []string
		for j := 1 + random.Intn(3); j > 0; j-- {
			line := ""
			for k := 1 + random.Intn(4); k > 0; k-- {
				line += pieces[random.Intn(len(pieces))]
			}
			lines = append(lines, line)
		}
		texts = append(texts, strings.Join(lines, "\n"))
	}
	paths := []string{
		"a", "a/", "b", "b/", "c.txt", "foo", "foo/", "foo.txt", "keep.tmp", "x.tmp", "a/b", "a/b/", "a/c.txt", "a/b/c", "a/b/c.txt", "mydir/", "mydir", "x/mydir/",
		"templates/", "templates/a.yaml", "templates/.hidden", "templates/._a", "templates/sub/.hidden", "templates/..", ".hidden", ".git/", "charts/", "charts/a-1.tgz", "charts/b/",
		"values.yaml", "Chart.yaml", "ab.txt", "ac.txt", "ae.txt", "x/foo.txt", "#x", "!a", "aXb", "é", "]a", "foo.txt # no comment",
	}
	var out strings.Builder
	for _, text := range texts {
		line := map[string]any{"text": text}
		rules, err := ignore.Parse(strings.NewReader(text))
		if err == nil {
			rules.AddDefaults()
			out := map[string]bool{}
			for _, path := range paths {
				name, folder := strings.CutSuffix(path, "/")
				out[path] = rules.Ignore(name, file{folder})
			}
			line["ignored"] = out
		}
		data, err := json.Marshal(line)
		check(err)
		out.Write(data)
		out.WriteString("\n")
	}
	return out.String()
}

func digest(value any) string {
	data, err := json.Marshal(value)
	check(err)
	sum, err := provenance.Digest(bytes.NewReader(data))
	check(err)
	return "sha256:" + sum
}

// Lines of JSON: the files of a chart, and the digests that its lock may have (helm's internal/resolver, HashReq and
// HashV2Req).
func locks() string {
	v2 := "apiVersion: v2\nname: web\nversion: 1.0.0\n"
	charts := []map[string]string{
		{"Chart.yaml": v2},
		{"Chart.yaml": v2 + "dependencies: []\n", "Chart.lock": "dependencies: []\ndigest: x\ngenerated: \"2024-01-01T00:00:00Z\"\n"},
		{"Chart.yaml": v2 + "dependencies:\n- name: redis\n  version: \">=1.0.0 <2.0.0 && é\"\n  repository: https://charts.example.com?a=1&b=2\n",
			"Chart.lock": "dependencies:\n- name: redis\n  repository: https://charts.example.com?a=1&b=2\n  version: 1.2.3\n"},
		{"Chart.yaml": v2 + "dependencies:\n- name: redis\n  version: ^1.0.0\n  repository: oci://r.example.com/charts\n  condition: redis.enabled\n  tags: [cache, 'b']\n  alias: cache\n  enabled: true\n  import-values:\n  - data\n  - child: b\n    parent: a\n- name: lib\n  version: 1.10\n  repository: file://../lib\n",
			"Chart.lock": "dependencies:\n- name: redis\n  repository: oci://r.example.com/charts\n  version: 1.2.3\n- name: lib\n  repository: file://../lib\n  version: 1.10.0\ndigest: x\n"},
		{"Chart.yaml": "name: web\nversion: 1.0.0\n", "requirements.yaml": "dependencies:\n- name: redis\n  version: 1.x\n  repository: https://charts.example.com\n",
			"requirements.lock": "dependencies:\n- name: redis\n  repository: https://charts.example.com\n  version: 1.2.3\ndigest: x\ngenerated: 2024-01-01T00:00:00Z\n"},
		{"Chart.yaml": v2 + "dependencies:\n- name: \"a\\tb\"\n  version: 1\n  repository: ''\n  tags: []\n  import-values: []\n- name: c\n  version: true\n  repository: ~\n",
			"Chart.lock": "dependencies:\n- name: \"a\\tb\"\n  version: 1\n  repository: ''\n"},
		{"Chart.yaml": v2, "requirements.yaml": "dependencies:\n- name: late\n  version: 1.2.0\n  repository: https://e.example.com\n", "Chart.lock": "digest: x\n"},
	}
	var out strings.Builder
	for _, texts := range charts {
		var files []*loader.BufferedFile
		for name, text := range texts {
			files = append(files, &loader.BufferedFile{Name: name, Data: []byte(text)})
		}
		c, err := loader.LoadFiles(files)
		check(err)
		line := map[string]any{"files": texts, "helm2": digest(map[string][]*chart.Dependency{"dependencies": c.Metadata.Dependencies})}
		if c.Lock != nil {
			line["helm3"] = digest([2][]*chart.Dependency{c.Metadata.Dependencies, c.Lock.Dependencies})
		}
		metadata, err := json.Marshal(c.Metadata)
		check(err)
		line["metadata"] = string(metadata)
		data, err := json.Marshal(line)
		check(err)
		out.Write(data)
		out.WriteString("\n")
	}
	return out.String()
}

func main() {
	random := rand.New(rand.NewSource(1))
	for name, text := range map[string]string{"locks.jsonl": locks()} {
		check(os.WriteFile(filepath.Join(os.Args[1], name), []byte(text), 0o644))
	}
	check(os.WriteFile(filepath.Join(os.Args[1], "versions.tsv"), []byte(versions(random)), 0o644))
	check(os.WriteFile(filepath.Join(os.Args[1], "ignore.jsonl"), []byte(ignored(random)), 0o644))
	fmt.Println("written")
}
