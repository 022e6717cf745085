// Prints what Go's text/template with sprig's functions, and its time package, say, for
// tests/go_table.rs to compare with.
//
//	go run . > table.jsonl
package main

import (
	"encoding/json"
	"math/rand"
	"os"
	"strings"
	"text/template"
	"time"
	_ "time/tzdata"

	"github.com/Masterminds/sprig/v3"
)

type rendered struct {
	Template string `json:"template"`
	Out      string `json:"out"`
	Refused  bool   `json:"refused,omitempty"`
}

type formatted struct {
	Layout string `json:"layout"`
	Zone   string `json:"zone"`
	At     int64  `json:"at"`
	Out    string `json:"out"`
}

var out = json.NewEncoder(os.Stdout)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// The variables of every template; tests/go_table.rs has the same.
var values = map[string]string{
	"FOO": "bar", "EMPTY": "", "BRANCH": "feature/Add-Some_Thing", "N": "42", "IMAGE_NAME": "registry.example.com/team/web",
	"SPACES": "  a b\tc ", "LINES": "one\ntwo\n", "UNI": "Ünï cödé",
}

func render(text string) {
	row := rendered{Template: text}
	parsed, err := template.New("template").Funcs(sprig.TxtFuncMap()).Option("missingkey=invalid").Parse(text)
	var b strings.Builder
	if err == nil {
		err = parsed.Execute(&b, values)
	}
	// As Skaffold's envTemplate: what has no value must not be printed.
	// printf says it in another way, which Skaffold takes.
	gap := strings.Contains(b.String(), "<no value>") || strings.Contains(b.String(), "(<nil>)")
	row.Refused = err != nil || gap && strings.Contains(text, ".MISSING")
	if !row.Refused {
		row.Out = b.String()
	}
	must(out.Encode(row))
}

func format(layout, zone string, at int64) {
	location, err := time.LoadLocation(zone)
	must(err)
	must(out.Encode(formatted{layout, zone, at, time.UnixMilli(at).In(location).Format(layout)}))
}

func main() {
	out.SetEscapeHTML(false)
	for _, line := range strings.Split(strings.TrimSpace(templates), "\n") {
		render(strings.ReplaceAll(line, "␤", "\n"))
	}
	zones := []string{
		"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Kathmandu",
		"Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll", "Europe/Dublin", "Asia/Tehran", "Africa/Monrovia",
		"America/St_Johns", "Etc/GMT+12", "Pacific/Kiritimati",
	}
	moments := []int64{
		0, 1, 999, 1700000000000, 1700000000120, 1700000000005, 1711846799999, 1711846800000, 1729990800000,
		1709164800000, 1735689599999, 1735689600000, 951782400123, 63072000000, 1763719200000, 1751328000100,
		1600000000010, 2147483648000, 1893456000000,
	}
	pieces := []string{
		"January", "Jan", "Monday", "Mon", "MST", "2006", "06", "1", "01", "2", "02", "_2", "__2", "002", "15", "3", "03",
		"4", "04", "5", "05", "PM", "pm", "-0700", "-07", "-07:00", "-070000", "-07:00:00", "Z0700", "Z07", "Z07:00",
		"Z070000", "Z07:00:00", ".000", ".999", ",000", ",999", ".0", ".9", ".000000000", ".999999999", ".00000000000",
		"-", "_", ":", " ", "/", "T", "Z", "J", "M", "P", "0", "00", "Ja", "Janet", "Mo", "Monster", "Marsh", "_2006", "é", ".", ",",
		"v", "20061", "7", "8", "-0", "-7", "__", "P2", "a",
	}
	known := []string{
		"2006-01-02_15-04-05.999_MST", time.ANSIC, time.UnixDate, time.RubyDate, time.RFC822, time.RFC822Z, time.RFC850,
		time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano, time.Kitchen, time.Stamp, time.StampMilli,
		time.DateTime, time.DateOnly, time.TimeOnly, "20060102150405", "20060102-150405", "v2006.1.2-1504", "",
	}
	for _, layout := range append(known, pieces...) {
		for i, zone := range zones {
			format(layout, zone, moments[(i*7+len(layout))%len(moments)])
		}
	}
	random := rand.New(rand.NewSource(1))
	for range 2000 {
		var layout strings.Builder
		for range 1 + random.Intn(7) {
			layout.WriteString(pieces[random.Intn(len(pieces))])
		}
		format(layout.String(), zones[random.Intn(len(zones))], moments[random.Intn(len(moments))])
	}
}
