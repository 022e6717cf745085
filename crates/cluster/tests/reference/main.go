// Writes cases.json: what the reference implementation of server-side apply answers to random
// sequences of writes. Run with the folder of client-go, whose types it reads:
//
//	go run . "$(go mod download -json k8s.io/client-go@v0.37.2 | sed -n 's/.*"Dir": "\(.*\)",/\1/p')" [cases seed] > cases.json
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

type m = map[string]any
type l = []any

type step struct {
	Manager string         `json:"manager"`
	Method  string         `json:"method"` // Apply, Force or Update
	Object  m              `json:"object"`
	Refused []string       `json:"refused,omitempty"` // the owners in the way
	Wrong   bool           `json:"wrong,omitempty"`
	After   any            `json:"after,omitempty"` // absent: as before
	Owners  map[string]any `json:"owners,omitempty"`
}

type same struct{}

func (same) Convert(v *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return v, nil
}
func (same) IsMissingVersionError(error) bool { return false }

func some(r *rand.Rand) bool           { return r.Intn(2) == 0 }
func pick(r *rand.Rand, of ...any) any { return of[r.Intn(len(of))] }

func container(r *rand.Rand, name string) m {
	c := m{"name": name}
	if some(r) {
		c["image"] = pick(r, "a", "b")
	}
	if some(r) {
		env := l{}
		for _, i := range r.Perm(3)[:r.Intn(4)] {
			env = append(env, m{"name": string(rune('A' + i)), "value": pick(r, "1", "2")})
		}
		c["env"] = env
	}
	if some(r) {
		ports := l{}
		all := l{m{"containerPort": 80, "protocol": "TCP"}, m{"containerPort": 80}, m{"containerPort": 81, "name": pick(r, "p", "q")}, m{"containerPort": 80, "protocol": "UDP"}}
		for _, i := range r.Perm(4)[:r.Intn(3)] {
			ports = append(ports, all[i])
		}
		c["ports"] = ports
	}
	if some(r) {
		c["args"] = pick(r, l{}, l{"x"}, l{"x", "y"})
	}
	return c
}

func object(r *rand.Rand) m {
	meta := m{"name": "web", "namespace": "default"}
	if some(r) {
		labels := m{}
		for _, i := range r.Perm(3)[:r.Intn(4)] {
			labels[string(rune('a'+i))] = pick(r, "1", "2")
		}
		meta["labels"] = labels
	}
	if r.Intn(4) == 0 {
		meta["finalizers"] = pick(r, l{"x/a"}, l{"x/b", "x/a"})
	}
	spec := m{}
	if some(r) {
		spec["replicas"] = pick(r, 1, 2)
	}
	if some(r) {
		spec["selector"] = m{"matchLabels": m{pick(r, "a", "b").(string): "1"}}
	}
	pod := m{}
	if some(r) {
		pod["nodeSelector"] = m{pick(r, "a", "b").(string): "1"}
	}
	if some(r) {
		pod["volumes"] = pick(r, l{m{"name": "v", "emptyDir": m{}}}, l{m{"name": "v"}, m{"name": "w", "configMap": m{"name": pick(r, "c", "d")}}})
	}
	if some(r) {
		pod["imagePullSecrets"] = pick(r, l{m{"name": "s"}}, l{m{"name": "t"}, m{"name": "s"}})
	}
	cs := l{}
	for _, i := range r.Perm(3)[:r.Intn(4)] {
		cs = append(cs, container(r, string(rune('x'+i))))
	}
	if len(cs) > 0 {
		pod["containers"] = cs
	}
	if len(pod) > 0 {
		spec["template"] = m{"spec": pod}
	}
	o := m{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}
	if len(spec) > 0 {
		o["spec"] = spec
	}
	return o
}

func clone(v any) any {
	b, _ := json.Marshal(v)
	var out any
	_ = json.Unmarshal(b, &out)
	return out
}

// A new object from an old one, as an editor makes it: some top parts are other ones.
func edit(r *rand.Rand, old any) m {
	if old == nil || r.Intn(3) == 0 {
		return object(r)
	}
	o, fresh := clone(old).(m), object(r)
	if some(r) {
		o["metadata"] = fresh["metadata"]
	}
	if some(r) {
		o["spec"] = fresh["spec"]
		if fresh["spec"] == nil {
			delete(o, "spec")
		}
	}
	return o
}

func main() {
	text, err := os.ReadFile(os.Args[1] + "/applyconfigurations/internal/internal.go")
	if err != nil {
		panic(err)
	}
	schema := string(text[strings.IndexByte(string(text), '`')+1 : strings.LastIndexByte(string(text), '`')])
	parser, err := typed.NewParser(typed.YAMLObject(schema))
	if err != nil {
		panic(err)
	}
	deployment := parser.Type("io.k8s.api.apps.v1.Deployment")
	count, seed := 40, 1
	if len(os.Args) > 3 {
		count, _ = strconv.Atoi(os.Args[2])
		seed, _ = strconv.Atoi(os.Args[3])
	}
	// What the API server strips (managedfields/internal/stripmeta.go).
	ignored := fieldpath.NewSet(
		fieldpath.MakePathOrDie("apiVersion"), fieldpath.MakePathOrDie("kind"),
		fieldpath.MakePathOrDie("metadata", "name"), fieldpath.MakePathOrDie("metadata", "namespace"))
	updater := (&merge.UpdaterBuilder{Converter: same{}, ReturnInputOnNoop: true,
		IgnoreFilter: map[fieldpath.APIVersion]fieldpath.Filter{"v1": fieldpath.NewExcludeSetFilter(ignored)}}).BuildUpdater()

	cases := [][]step{}
	r := rand.New(rand.NewSource(int64(seed)))
	for len(cases) < count {
		var live any
		managers := fieldpath.ManagedFields{}
		steps := []step{}
		for range 2 + r.Intn(4) {
			s := step{Manager: pick(r, "one", "two", "three").(string), Method: pick(r, "Apply", "Apply", "Force", "Update").(string)}
			if s.Method == "Update" || some(r) {
				s.Object = edit(r, live)
			} else {
				s.Object = object(r)
			}
			s.Object = clone(s.Object).(m)
			base := live
			if base == nil {
				base = m{}
			}
			lv, err := deployment.FromUnstructured(clone(base), typed.AllowDuplicates)
			if err != nil {
				panic(err)
			}
			var out *typed.TypedValue
			next := managers.Copy()
			config, err := deployment.FromUnstructured(clone(s.Object))
			if err == nil {
				if s.Method == "Update" {
					out, next, err = updater.Update(lv, config, "v1", next, s.Manager+"/Update")
				} else {
					out, next, err = updater.Apply(lv, config, "v1", next, s.Manager+"/Apply", s.Method == "Force")
				}
			}
			if conflicts, ok := err.(merge.Conflicts); ok {
				seen := map[string]bool{}
				for _, c := range conflicts {
					if !seen[c.Manager] {
						s.Refused = append(s.Refused, c.Manager)
					}
					seen[c.Manager] = true
				}
				sort.Strings(s.Refused)
			} else if err != nil {
				s.Wrong = true
			} else {
				live = clone(out.AsValue().Unstructured())
				// The API server writes the identity again.
				if live.(m)["metadata"] == nil {
					live.(m)["metadata"] = m{}
				}
				live.(m)["metadata"].(m)["name"], live.(m)["metadata"].(m)["namespace"] = "web", "default"
				managers = next
				s.After = live
				s.Owners = map[string]any{}
				for name, set := range managers {
					b, err := set.Set().ToJSON()
					if err != nil {
						panic(err)
					}
					var v any
					_ = json.Unmarshal(b, &v)
					s.Owners[name] = v
				}
			}
			steps = append(steps, s)
		}
		cases = append(cases, steps)
	}
	for i, c := range cases {
		b, err := json.Marshal(c)
		if err != nil {
			panic(err)
		}
		open, end := ",", ""
		if i == 0 {
			open = "["
		}
		if i == len(cases)-1 {
			end = "]"
		}
		fmt.Printf("%s%s%s\n", open, b, end)
	}
}
