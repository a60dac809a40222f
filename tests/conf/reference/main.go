// Fills the "want" and "error" of tests/conf/vectors.json with what the reference collector's own configuration library
// answers. Build it in a folder of its own with go.mod and go.sum of tests/peers/otelcol-ref; then
//
//	reference < tests/conf/vectors.json > new.json
//
// Texts of errors are kept for the reader; tests compare only that there is one.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/featuregate"
	"go.yaml.in/yaml/v3"
)

type sub struct {
	Size int    `mapstructure:"size"`
	Name string `mapstructure:"name"`
}

type typed struct {
	S    string                       `mapstructure:"string"`
	PS   *string                      `mapstructure:"optional_string"`
	I    int64                        `mapstructure:"int"`
	U    uint16                       `mapstructure:"uint16"`
	F    float64                      `mapstructure:"float"`
	B    bool                         `mapstructure:"bool"`
	D    time.Duration                `mapstructure:"duration"`
	L    []string                     `mapstructure:"strings"`
	LI   []int64                      `mapstructure:"ints"`
	M    map[string]string            `mapstructure:"map"`
	MA   map[string]any               `mapstructure:"any_map"`
	A    any                          `mapstructure:"any"`
	Sec  configopaque.String          `mapstructure:"secret"`
	H    configopaque.MapList         `mapstructure:"headers"`
	Sub  sub                          `mapstructure:"struct"`
	Subs map[string]sub               `mapstructure:"structs"`
	Opt  configoptional.Optional[sub] `mapstructure:"section"`
}

func (t *typed) dump() any {
	out := map[string]any{"string": t.S, "int": t.I, "uint16": t.U, "float": t.F, "bool": t.B, "duration": t.D.String(),
		"strings": list(t.L), "ints": list(t.LI), "map": t.M, "any_map": t.MA, "any": t.A, "secret": string(t.Sec), "struct": map[string]any{"size": t.Sub.Size, "name": t.Sub.Name}}
	if t.M == nil {
		out["map"] = map[string]any{}
	}
	if t.MA == nil {
		out["any_map"] = map[string]any{}
	}
	out["optional_string"] = nil
	if t.PS != nil {
		out["optional_string"] = *t.PS
	}
	h := map[string]any{}
	t.H.Iter(func(k string, v configopaque.String) bool { h[k] = string(v); return true })
	out["headers"] = h
	subs := map[string]any{}
	for k, v := range t.Subs {
		subs[k] = map[string]any{"size": v.Size, "name": v.Name}
	}
	out["structs"] = subs
	out["section"] = nil
	if s := t.Opt.Get(); s != nil {
		out["section"] = map[string]any{"size": s.Size, "name": s.Name}
	}
	return out
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func defaults() *typed {
	def := "ptr"
	return &typed{S: "def", PS: &def, I: 7, U: 7, F: 0.5, B: true, D: 5 * time.Second, L: []string{"x"}, LI: []int64{1, 2},
		M: map[string]string{"k": "v"}, MA: map[string]any{"k": 1}, Sec: "sec", Sub: sub{3, "n"},
		Opt: configoptional.Default(sub{4, "o"})}
}

type vector struct {
	Name  string            `json:"name,omitempty"`
	Uris  []string          `json:"uris"`
	Env   map[string]string `json:"env,omitempty"`
	Files map[string]string `json:"files,omitempty"`
	Gates []string          `json:"gates,omitempty"`
	Typed bool              `json:"typed,omitempty"`
	Emit  bool              `json:"emit,omitempty"`
	Want  any               `json:"want"`
	Error string            `json:"error,omitempty"`
	// Where naru answers differently on purpose: why, and what it answers (a text that its error has, or a value).
	Why  string `json:"why,omitempty"`
	Naru any    `json:"naru,omitempty"`
}

// What JSON has no number for is written as YAML writes it; times as their text.
func plain(v any) any {
	switch x := v.(type) {
	case float64:
		if math.IsNaN(x) {
			return map[string]any{"float": "nan"}
		}
		if math.IsInf(x, 0) {
			return map[string]any{"float": fmt.Sprint(x)}
		}
		return x
	case uint64:
		return map[string]any{"uint64": fmt.Sprint(x)}
	case time.Time:
		return map[string]any{"time": x.Format(time.RFC3339Nano)}
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range x {
			out = append(out, plain(e))
		}
		return out
	case []string, []int64, map[string]string, string, bool, int, int64, uint16, nil:
		return x
	}
	// An expanded value: the typed one counts.
	if r := reflect.ValueOf(v); r.Kind() == reflect.Struct {
		if f := r.FieldByName("Value"); f.IsValid() {
			return plain(f.Interface())
		}
	}
	panic(fmt.Sprintf("unexpected type %T", v))
}

// What all vectors share, and the vectors.
type document struct {
	About   string            `json:"about"`
	Env     map[string]string `json:"env"`
	Files   map[string]string `json:"files"`
	Vectors []*vector         `json:"vectors"`
}

func run(d *document, v *vector) (got any, err error) {
	defer func() {
		if p := recover(); p != nil {
			got, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	dir, _ := os.MkdirTemp("", "v")
	defer os.RemoveAll(dir)
	os.Chdir(dir)
	os.Clearenv()
	for _, files := range []map[string]string{d.Files, v.Files} {
		for n, t := range files {
			os.WriteFile(n, []byte(t), 0o644)
		}
	}
	for _, env := range []map[string]string{d.Env, v.Env} {
		for n, t := range env {
			os.Setenv(n, t)
		}
	}
	for _, g := range v.Gates {
		featuregate.GlobalRegistry().Set(g, true)
		defer featuregate.GlobalRegistry().Set(g, false)
	}
	r, err := confmap.NewResolver(confmap.ResolverSettings{URIs: v.Uris, DefaultScheme: "env",
		ProviderFactories: []confmap.ProviderFactory{envprovider.NewFactory(), fileprovider.NewFactory(), yamlprovider.NewFactory()}})
	if err != nil {
		return nil, err
	}
	c, err := r.Resolve(context.Background())
	if err != nil {
		return nil, err
	}
	if v.Emit {
		text, err := yaml.Marshal(c.ToStringMap())
		return string(text), err
	}
	if v.Typed {
		t := defaults()
		if err := c.Unmarshal(t); err != nil {
			return nil, err
		}
		// Only what differs from the defaults.
		out, def := t.dump().(map[string]any), defaults().dump().(map[string]any)
		for k := range out {
			if a, b := js(out[k]), js(def[k]); a == b {
				delete(out, k)
			}
		}
		return plain(out), nil
	}
	return plain(c.ToStringMap()), nil
}

func js(v any) string {
	b, _ := json.Marshal(plain(v))
	return string(b)
}

func main() {
	var d document
	if err := json.NewDecoder(os.Stdin).Decode(&d); err != nil {
		panic(err)
	}
	for _, v := range d.Vectors {
		got, err := run(&d, v)
		v.Want, v.Error = got, ""
		if err != nil {
			v.Want, v.Error = nil, strings.Join(strings.Fields(err.Error()), " ")
		}
	}
	// One line a vector.
	enc := func(v any) string {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.Encode(v)
		return strings.TrimSpace(b.String())
	}
	fmt.Printf("{\"about\": %s,\n\"env\": %s,\n\"files\": %s,\n\"vectors\": [\n", enc(d.About), enc(d.Env), enc(d.Files))
	for i, v := range d.Vectors {
		sep := ","
		if i == len(d.Vectors)-1 {
			sep = ""
		}
		fmt.Println(enc(v) + sep)
	}
	fmt.Println("]}")
}
