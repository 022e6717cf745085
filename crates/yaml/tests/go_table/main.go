// Writes what Go's YAML libraries make of documents: gopkg.in/yaml.v3, which reads configuration, and
// sigs.k8s.io/yaml, by which kubectl reads manifests. One JSON object per line:
// {"doc": text, "config": tree or null, "manifest": JSON or null}; null where the library refuses.
//
// A tree is ["null"], ["bool", "true"], ["int", digits], ["float", text], ["string", text], ["time", text],
// ["list", tree...] or ["map", key tree, value tree, ...], sorted by the keys' JSON.
//
//	go run . > table.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"

	yaml3 "gopkg.in/yaml.v3"
	sigs "sigs.k8s.io/yaml"
)

func tree(v any) any {
	switch v := v.(type) {
	case nil:
		return []any{"null"}
	case bool:
		return []any{"bool", strconv.FormatBool(v)}
	case int:
		return []any{"int", strconv.FormatInt(int64(v), 10)}
	case int64:
		return []any{"int", strconv.FormatInt(v, 10)}
	case uint64:
		return []any{"int", strconv.FormatUint(v, 10)}
	case float64:
		switch {
		case math.IsNaN(v):
			return []any{"float", "nan"}
		case math.IsInf(v, 1):
			return []any{"float", "inf"}
		case math.IsInf(v, -1):
			return []any{"float", "-inf"}
		}
		return []any{"float", strconv.FormatUint(math.Float64bits(v), 16)}
	case string:
		return []any{"string", v}
	case time.Time:
		return []any{"time", v.Format(time.RFC3339Nano)}
	case []any:
		out := []any{"list"}
		for _, item := range v {
			out = append(out, tree(item))
		}
		return out
	case map[string]any:
		all := map[any]any{}
		for k, item := range v {
			all[k] = item
		}
		return mapping(all)
	case map[any]any:
		return mapping(v)
	}
	panic(fmt.Sprintf("%T", v))
}

func mapping(m map[any]any) any {
	type pair struct {
		sort       string
		key, value any
	}
	var pairs []pair
	for k, item := range m {
		key := tree(k)
		text, err := json.Marshal(key)
		if err != nil {
			panic(err)
		}
		pairs = append(pairs, pair{string(text), key, tree(item)})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].sort < pairs[j].sort })
	out := []any{"map"}
	for _, p := range pairs {
		out = append(out, p.key, p.value)
	}
	return out
}

func config(doc string) (out any) {
	defer func() {
		if recover() != nil {
			out = nil
		}
	}()
	var v any
	if err := yaml3.Unmarshal([]byte(doc), &v); err != nil {
		return nil
	}
	return tree(v)
}

func manifest(doc string) any {
	text, err := sigs.YAMLToJSON([]byte(doc))
	if err != nil || !json.Valid(text) {
		return nil
	}
	return string(text)
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	seen := map[string]bool{}
	for _, doc := range docs() {
		if seen[doc] || !utf8.ValidString(doc) {
			continue
		}
		seen[doc] = true
		line := map[string]any{"doc": doc, "config": config(doc), "manifest": manifest(doc)}
		if err := encoder.Encode(line); err != nil {
			panic(err)
		}
	}
}
