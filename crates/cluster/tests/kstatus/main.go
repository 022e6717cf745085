// Writes cases.json: what the reference implementation of kstatus says of random states of objects.
//
//	go run . [cases seed] > cases.json
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type m = map[string]any
type l = []any

type answer struct {
	Object  m      `json:"object"`
	Phase   string `json:"phase"` // Unknown: the reference reports an error
	Message string `json:"message"`
}

var r *rand.Rand

func some() bool         { return r.Intn(2) == 0 }
func rare() bool         { return r.Intn(12) == 0 }
func pick(of ...any) any { return of[r.Intn(len(of))] }

// Sets a field mostly to one of the values, sometimes not at all, and rarely to what is of no right type.
func set(in m, name string, of ...any) {
	switch {
	case rare() && rare():
		in[name] = pick(nil, "text", 1.5, true, l{}, m{})
	case r.Intn(4) > 0:
		in[name] = pick(of...)
	}
}

func condition(kind any, reasons ...any) m {
	c := m{"type": kind, "status": pick("True", "True", "False", "Unknown")}
	set(c, "reason", reasons...)
	set(c, "message", "it says why")
	return c
}

func conditions(in m, kinds []any, reasons ...any) {
	list := l{}
	for _, kind := range kinds {
		if some() {
			list = append(list, condition(kind, reasons...))
		}
	}
	if r.Intn(20) == 0 {
		list = append(list, condition(pick("Reconciling", "Stalled"), "Reason"))
	}
	if len(list) > 0 || some() {
		in["conditions"] = list
	}
	if r.Intn(40) == 0 {
		in["conditions"] = pick(nil, "text", l{"text"}, l{nil}, l{m{"type": 1}}, m{})
	}
}

// The states that matter lie close together: replicas that are all there, but for one.
func replicas(in m, names ...string) {
	want := pick(1, 2, 2, 3)
	for _, name := range names {
		switch {
		case r.Intn(8) == 0:
			in[name] = pick(0, 1, 2, 3)
		case r.Intn(30) > 0:
			in[name] = want
		}
	}
}

func deployment(spec, st m) {
	replicas(spec, "replicas")
	set(spec, "progressDeadlineSeconds", 600, 2147483647)
	replicas(st, "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
	if some() {
		spec["replicas"] = st["replicas"]
	}
	conditions(st, l{"Progressing", "Available"}, "NewReplicaSetAvailable", "NewReplicaSetAvailable", "ReplicaSetUpdated", "ProgressDeadlineExceeded")
	if some() {
		st["conditions"] = l{m{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}, m{"type": "Available", "status": "True"}}
	}
}

func statefulSet(spec, st m) {
	replicas(st, "replicas", "readyReplicas", "currentReplicas", "updatedReplicas")
	if some() {
		spec["replicas"] = st["replicas"]
	}
	if some() {
		strategy := m{}
		set(strategy, "type", "RollingUpdate", "RollingUpdate", "OnDelete")
		if some() {
			rolling := m{}
			set(rolling, "partition", 0, 1, 2)
			strategy["rollingUpdate"] = rolling
		}
		spec["updateStrategy"] = strategy
	}
	set(st, "currentRevision", "a", "a", "b")
	set(st, "updateRevision", "a")
}

func daemonSet(_, st m) {
	replicas(st, "desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
}

func replicaSet(spec, st m) {
	replicas(st, "replicas", "readyReplicas", "availableReplicas", "fullyLabeledReplicas")
	if some() {
		spec["replicas"] = st["replicas"]
	}
	if r.Intn(5) == 0 {
		conditions(st, l{"ReplicaFailure"}, "FailedCreate")
	}
}

func pod(_, st m) {
	set(st, "phase", "Pending", "Pending", "Running", "Running", "Succeeded", "Failed", "Unknown")
	conditions(st, l{"PodScheduled", "Ready"}, "Unschedulable", "SchedulerError")
	if some() {
		list := l{}
		for _, name := range []string{"app", "proxy"} {
			c := m{"name": name}
			if r.Intn(4) > 0 {
				c["state"] = pick(m{"running": m{}}, m{"waiting": m{}}, m{"waiting": m{"reason": "CrashLoopBackOff"}}, m{"waiting": m{"reason": "ImagePullBackOff"}})
			}
			list = append(list, c)
		}
		st["containerStatuses"] = list
	}
}

func job(spec, st m) {
	set(spec, "parallelism", 1, 2)
	set(spec, "completions", 1, 3)
	if some() {
		set(spec, "suspend", true, false)
	}
	for _, name := range []string{"succeeded", "active", "failed"} {
		if some() {
			set(st, name, 0, 1, 2)
		}
	}
	set(st, "startTime", "2026-01-01T00:00:00Z")
	if some() {
		// Not Suspended, which only later versions than the one of go.mod know.
		conditions(st, l{"Complete", "Failed"}, "BackoffLimitExceeded")
	}
}

func main() {
	count, seed := 600, 1
	if len(os.Args) > 2 {
		count, _ = strconv.Atoi(os.Args[1])
		seed, _ = strconv.Atoi(os.Args[2])
	}
	r = rand.New(rand.NewSource(int64(seed)))
	kinds := []struct {
		version, kind string
		fill          func(spec, st m)
	}{
		{"apps/v1", "Deployment", deployment}, {"apps/v1", "Deployment", deployment}, {"extensions/v1beta1", "Deployment", deployment},
		{"apps/v1", "StatefulSet", statefulSet}, {"apps/v1", "StatefulSet", statefulSet}, {"apps/v1", "DaemonSet", daemonSet}, {"extensions/v1beta1", "DaemonSet", daemonSet},
		{"apps/v1", "ReplicaSet", replicaSet}, {"extensions/v1beta1", "ReplicaSet", replicaSet}, {"v1", "Pod", pod}, {"v1", "Pod", pod}, {"v1", "Pod", pod},
		{"batch/v1", "Job", job}, {"batch/v1", "Job", job},
		{"batch/v1", "CronJob", func(_, _ m) {}}, {"v1", "ConfigMap", func(_, _ m) {}}, {"v1", "Secret", func(_, _ m) {}},
		{"v1", "Service", func(spec, _ m) {
			set(spec, "type", "LoadBalancer", "LoadBalancer", "ClusterIP")
			set(spec, "clusterIP", "10.0.0.1", "", "None")
		}},
		{"v1", "PersistentVolumeClaim", func(_, st m) { set(st, "phase", "Bound", "Pending", "Lost") }},
		{"policy/v1", "PodDisruptionBudget", func(_, _ m) {}},
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition", func(_, st m) {
			conditions(st, l{"NamesAccepted", "Established"}, "Installing", "NoConflicts", "ListKindConflict")
		}},
		{"example.org/v1", "Widget", func(_, st m) { conditions(st, l{"Ready", "Other"}, "Reason") }},
		{"example.org/v1", "Deployment", func(_, st m) { conditions(st, l{"Ready"}, "Reason") }},
	}
	seen := map[string]bool{}
	lines := []string{}
	for tries := 0; len(lines) < count; tries++ {
		kind := kinds[tries%len(kinds)]
		meta, spec, st := m{"name": "web", "namespace": "default"}, m{}, m{}
		kind.fill(spec, st)
		generation := kind.kind == "DaemonSet" || some()
		if generation {
			set(meta, "generation", 2)
			set(st, "observedGeneration", 2, 2, 2, 2, 2, 1)
		}
		if r.Intn(25) == 0 {
			meta["deletionTimestamp"] = pick("2026-01-01T00:00:00Z", "", 1, nil)
		}
		set(meta, "creationTimestamp", "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "when")
		o := m{"apiVersion": kind.version, "kind": kind.kind, "metadata": meta, "spec": spec, "status": st}
		if r.Intn(30) == 0 {
			delete(o, "status")
		} else if r.Intn(60) == 0 {
			o["status"] = pick(nil, "text", l{})
		}
		text, _ := json.Marshal(o)
		if seen[string(text)] {
			continue
		}
		seen[string(text)] = true
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(text); err != nil {
			panic(err)
		}
		a := answer{Object: o, Phase: "Unknown"}
		if result, err := status.Compute(u); err == nil {
			a.Phase, a.Message = result.Status.String(), result.Message
		}
		line, _ := json.Marshal(a)
		lines = append(lines, string(line))
	}
	for i, line := range lines {
		open, end := ",", ""
		if i == 0 {
			open = "["
		}
		if i == len(lines)-1 {
			end = "]"
		}
		fmt.Printf("%s%s%s\n", open, line, end)
	}
}
