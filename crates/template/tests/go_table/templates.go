package main

// One template a line; ␤ stands for the end of a line.
const templates = `
{{.FOO}}
v{{.FOO}}-{{ .N }}
{{.MISSING}}
{{ .FOO.BAR }}
{{ $.FOO }}
{{ $x := .FOO }}{{ $x }}{{ $x = "z" }}{{ $x }}
{{ $x }}
{{ if .EMPTY }}a{{ else if .FOO }}b{{ else }}c{{ end }}
{{ with .FOO }}{{ . }}{{ end }}{{ with .EMPTY }}x{{ else }}none{{ end }}
{{ range splitList "/" .BRANCH }}[{{ . }}]{{ end }}
{{ range $i, $e := list "a" "b" }}{{ $i }}={{ $e }};{{ end }}
{{ range 3 }}{{ . }}{{ end }}
{{ range list }}x{{ else }}empty{{ end }}
{{ range list 1 2 3 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}
{{ range list 1 2 3 }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}
{{/* a comment */}}x
{{- .FOO -}}  y
a  {{- "b" }}
{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" .FOO }}
{{ block "b" .FOO }}({{ . }}){{ end }}
{{ template "none" }}
{{ .FOO | printf "%s-%5s|%-5s|%q" "a" "b" "c" }}
{{ printf "%d %05d %x %X %o %b %c %U %e %.2f %t %v" 1 42 255 255 8 5 65 65 1.5 2.345 true .FOO }}
{{ printf "%s" 1 }}
{{ print "a" 1 2 "b" }}|{{ println "x" }}
{{ len .FOO }} {{ index (list "a" "b") 1 }} {{ index (dict "k" "v") "k" }}
{{ index (list "a") 5 }}
{{ eq .FOO "bar" }} {{ ne .FOO "bar" }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt 1 2 }} {{ ge 2 2 }} {{ eq .FOO "a" "bar" }}
{{ eq 1 "1" }}
{{ and .FOO .EMPTY }}|{{ or .EMPTY .FOO }}|{{ not .EMPTY }}
{{ and true false }} {{ or false true }}
{{ html "<a>" }} {{ js "it's" }} {{ urlquery "a b&c" }}
{{ nosuchfunction .FOO }}
{{ .FOO
{{ end }}
{{ if }}
{{ "unclosed }}
{{ 1 + 2 }}
{{}}
{{ default "x" .EMPTY }} {{ default "x" .FOO }} {{ .EMPTY | default "y" }} {{ default 5 0 }} {{ default "a" }}
{{ empty .EMPTY }} {{ empty .FOO }} {{ empty 0 }} {{ empty false }} {{ empty (list) }} {{ empty (list 1) }}
{{ coalesce .EMPTY "" .FOO "z" }} {{ coalesce 0 1 2 }} {{ coalesce "" }}
{{ all .FOO "a" }} {{ all .FOO "" }} {{ any "" .FOO }} {{ any "" "" }} {{ all }}
{{ ternary "yes" "no" true }} {{ ternary "yes" "no" (eq .FOO "x") }} {{ true | ternary 1 2 }}
{{ ternary "yes" "no" "true" }}
{{ fail "because" }}
[{{ trim .SPACES }}] [{{ trimAll "$" "$5.00$" }}] [{{ trimSuffix "-" "a-" }}] [{{ trimPrefix "v" "v1" }}] [{{ trimall "ab" "abcba" }}]
{{ upper .BRANCH }} {{ lower .BRANCH }} {{ title "hello wörld a_b c-d e.f" }} {{ untitle "Hello World" }} {{ swapcase "aB cD" }}
{{ upper .UNI }} {{ lower .UNI }} {{ title .UNI }} {{ upper 5 }}
{{ upper "straße" }} {{ lower "İ" | len }}
{{ repeat 3 "ab" }} {{ repeat 0 "ab" }}|{{ "x" | repeat 2 }}
{{ substr 0 3 .BRANCH }} {{ substr 3 -1 .BRANCH }} {{ substr -1 3 .BRANCH }} {{ substr 2 100 .FOO }}
{{ substr 5 2 .BRANCH }}
{{ nospace .SPACES }} {{ trunc 5 .BRANCH }} {{ trunc -5 .BRANCH }} {{ trunc 100 .FOO }} {{ trunc 0 .FOO }}| {{ trunc -100 .FOO }}
{{ abbrev 8 .BRANCH }} {{ abbrev 3 .BRANCH }} {{ abbrev 100 .BRANCH }} {{ abbrevboth 5 10 "1234 5678 9123 4567" }} {{ abbrevboth 0 6 "abcdefghij" }} {{ abbrevboth 12 10 "1234 5678 9123 4567" }}
{{ initials "First Try of it" }} {{ contains "eat" .BRANCH }} {{ hasPrefix "feat" .BRANCH }} {{ hasSuffix "x" .BRANCH }}
{{ quote .FOO 5 "a\"b" }} {{ squote .FOO 1 }} {{ quote .LINES }} {{ quote "é\u0001" }} {{ quote nil "a" }}
{{ cat "a" 1 .FOO true }} {{ cat "a" nil "b" }} {{ cat }}|
{{ indent 2 .LINES }}|{{ nindent 2 .FOO }}|{{ indent 0 .FOO }}
{{ replace "/" "-" .BRANCH }} {{ .BRANCH | replace "_" "." }} {{ replace "" "." "ab" }}
{{ plural "one" "many" 1 }} {{ plural "one" "many" 2 }} {{ len .FOO | plural "one" "many" }}
{{ regexMatch "^f" .BRANCH }} {{ regexMatch "^[0-9]+$" .N }} {{ regexMatch "[" "a" }}
{{ regexFind "[A-Z][a-z]+" .BRANCH }} {{ regexFind "9" .BRANCH }}| {{ regexFindAll "[a-z]+" .BRANCH -1 }} {{ regexFindAll "[a-z]+" .BRANCH 2 }} {{ regexFindAll "a" .BRANCH 0 }}
{{ regexReplaceAll "[^a-zA-Z0-9.-]" .BRANCH "-" }} {{ regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W" }} {{ regexReplaceAll "a(x*)b" "-ab-axxb-" "$1W" }} {{ regexReplaceAllLiteral "a(x*)b" "-ab-axxb-" "${1}" }}
{{ regexReplaceAll "(?P<n>[a-z]+)" "abc 1" "<$n>" }} {{ regexReplaceAll "a" "banana" "$$" }}
{{ regexSplit "z+" "pizza" -1 }} {{ regexSplit "a" "banana" 2 }} {{ regexQuoteMeta "1.2.3" }} {{ regexSplit "," "a,b" 0 }}
{{ regexReplaceAll "(" "a" "b" }}
{{ mustRegexFind "(" "a" }} 
{{ mustRegexReplaceAll "[/_]" .BRANCH "-" | lower }} {{ mustRegexMatch "^f" .BRANCH }}
{{ (split "/" .BRANCH)._0 }} {{ (split "/" .BRANCH)._1 }} {{ (splitn "-" 2 "a-b-c")._1 }}
{{ (split "/" .BRANCH)._5 }}
{{ splitList "/" .BRANCH }} {{ splitList "" "abc" }} {{ splitList "x" "" }} {{ join "-" (list 1 "a" true) }} {{ join "," "abc" }} {{ list "c" "a" "b" | sortAlpha }} {{ sortAlpha "x" }}
{{ toString 5 }} {{ toString .FOO }} {{ toStrings (list 1 2 "x") }} {{ kindOf .FOO }} {{ kindOf 1 }} {{ kindOf (list) }} {{ kindIs "string" .FOO }}
{{ add 1 2 3 }} {{ add1 5 }} {{ sub 5 3 }} {{ div 7 2 }} {{ mod 7 3 }} {{ mul 2 3 4 }} {{ max 1 5 3 }} {{ min 4 2 9 }} {{ biggest 1 2 }} {{ add }} {{ div -7 2 }} {{ mod -7 3 }}
{{ add "1" "2" }} {{ int "7" }} {{ int64 "8" }} {{ int "x" }} {{ atoi .N }} {{ atoi "x" }} {{ int 3.7 }} {{ add 1.9 1 }} {{ int true }} {{ int "" }}
{{ div 1 0 }}
{{ mod 1 0 }}
{{ until 4 }} {{ untilStep 0 10 3 }} {{ untilStep 5 0 -2 }} {{ until -3 }} {{ untilStep 3 3 1 }} {{ seq 3 }} {{ seq 2 4 }} {{ seq 0 2 10 }} {{ seq 3 1 }} {{ seq 0 -2 -5 }}
{{ list 1 2 3 }} {{ first (list 1 2) }} {{ last (list 1 2) }} {{ rest (list 1 2 3) }} {{ initial (list 1 2 3) }} {{ tuple "a" "b" }}
{{ append (list 1) 2 }} {{ prepend (list 1) 2 }} {{ push (list 1) 2 }} {{ concat (list 1) (list 2 3) }} {{ reverse (list 1 2 3) }} {{ uniq (list 1 2 1) }} {{ without (list 1 2 3) 2 }} {{ has 2 (list 1 2) }} {{ has 5 (list 1 2) }} {{ compact (list 0 1 "" "a") }}
{{ slice (list 1 2 3 4) 1 3 }} {{ slice (list 1 2 3) 1 }} {{ slice (list 1 2) }}
{{ slice "abc" 0 1 }}
{{ first "abc" }}
{{ chunk 2 (list 1 2 3) }}
{{ dict "a" 1 "b" 2 }} {{ get (dict "a" 1) "a" }} {{ get (dict "a" 1) "z" }}| {{ hasKey (dict "a" 1) "a" }} {{ (dict "k" "v").k }} {{ keys (dict "a" 1) }} {{ values (dict "a" 1) }} {{ pick (dict "a" 1 "b" 2) "a" }} {{ omit (dict "a" 1 "b" 2) "a" }} {{ dict "odd" }}
{{ dig "a" "b" "none" (dict "a" (dict "b" "deep")) }} {{ dig "a" "c" "none" (dict "a" (dict "b" "deep")) }}
{{ b64enc .BRANCH }} {{ b64enc "a" }} {{ b64enc "ab" }} {{ b64dec "YWJj" }} {{ b64dec "YQ==" }} {{ b64enc "" }}|
{{ sha256sum .FOO }} {{ sha256sum .FOO | trunc 12 }} {{ adler32sum .FOO }}
{{ base .IMAGE_NAME }} {{ dir .IMAGE_NAME }} {{ ext "a/b.tar.gz" }} {{ clean "a//b/../c/." }} {{ isAbs "/a" }} {{ isAbs "a" }} {{ base "" }} {{ base "/" }} {{ dir "a" }} {{ clean "" }} {{ clean "/../a" }} {{ ext "a" }} {{ dir "/a" }} {{ base "a/b/" }} {{ clean "../../a" }}
{{ deepEqual (list 1) (list 1) }} {{ deepEqual "a" "b" }}
{{ hello }}
{{ upper }}
{{ upper "a" "b" }}
{{ trunc "a" "b" }}
{{ (list 1 2) | len }} {{ .FOO | upper | lower | quote }}
{{ printf "%s-%s" (.BRANCH | replace "/" "-" | lower | trunc 20 | trimSuffix "-") .N }}
{{ if and (ne .FOO "") (hasPrefix "feature/" .BRANCH) }}{{ .BRANCH | trimPrefix "feature/" | lower }}{{ end }}
{{ "a\tb" }} {{ 'a' }} {{ 0x10 }} {{ 1e3 }} {{ 1_000 }} {{ 1.5 }} {{ true }} {{ nil }}
{{ nil | default "x" }}
{{ (index . "FOO") }} {{ index . "MISSING" }}|
{{ hasKey . "FOO" }}
{{ .FOO }}{{ .MISSING | default "x" }}
{{ len . }}
{{ camelcase "http_server" }} {{ snakecase "FirstName" }} {{ kebabcase "FirstName" }}
{{ .MISSING | upper }}
{{ if .MISSING }}a{{ else }}b{{ end }}{{ with .MISSING }}c{{ end }}
{{ coalesce .MISSING .FOO }} {{ empty .MISSING }} {{ or .MISSING "x" }} {{ not .MISSING }} {{ ternary 1 2 (empty .MISSING) }}
{{ if and .FOO (not .MISSING) }}{{ .FOO }}{{ .MISSING }}{{ end }}
{{ printf "%s" .MISSING }}
{{ eq .FOO "x" }}{{ if eq .FOO "x" }}{{ .MISSING }}{{ end }}
{{ $x := .MISSING }}{{ $x | default "d" }}
{{ swapcase .UNI }} {{ swapcase "aB cD 1" }} {{ hello }}
{{ wrap 5 "one two three four" }}|{{ wrap 3 "abcdefgh ij k" }}|{{ wrapWith 4 "; " "abcdefgh ij k" }}|{{ wrap 0 "a b" }}|{{ wrap 80 .BRANCH }}|{{ wrapWith 3 "" "abcdef" }}|{{ wrap 4 "  a   b     c" }}
{{ sha1sum "" }} {{ sha1sum .FOO }} {{ sha1sum (repeat 55 "a") }} {{ sha1sum (repeat 56 "a") }} {{ sha1sum (repeat 64 "a") }} {{ sha1sum (repeat 1000 "abc") }}
{{ sha512sum .FOO }} {{ adler32sum .FOO }} {{ adler32sum "" }} {{ adler32sum (repeat 5000 "zz") }}
{{ b32enc "" }}|{{ b32enc "f" }} {{ b32enc "fo" }} {{ b32enc "foo" }} {{ b32enc "foob" }} {{ b32enc "fooba" }} {{ b32enc "foobar" }} {{ b32dec "MZXW6YTBOI======" }} {{ b32dec "MY======" }}
{{ toDecimal "777" }} {{ toDecimal 17 }} {{ toDecimal "9" }} {{ toDecimal "" }}
{{ float64 "1.5" }} {{ float64 3 }} {{ float64 "x" }} {{ floor 1.9 }} {{ floor -1.1 }} {{ ceil 1.1 }} {{ ceil "2.5" }} {{ floor 7 }}
{{ round 123.5555 3 }} {{ round 123.5 0 }} {{ round 1.25 1 }} {{ round 1.25 1 0.6 }} {{ round "2.4" 0 }} {{ round 1234.5 -2 }}
{{ toJson .FOO }} {{ toJson "a<b>&\"\\\n\t\u0001é" }} {{ toRawJson "a<b>&" }} {{ toJson (list 1 "a" true 1.5) }} {{ toJson (dict "b" 1 "a" (list)) }} {{ toJson nil }} {{ toJson (list) }}
{{ toPrettyJson (dict "a" (list 1 (dict "b" "c")) "d" (dict)) }} {{ toPrettyJson (list) }} {{ toPrettyJson "a" }}
{{ typeOf .FOO }} {{ typeOf 1 }} {{ typeOf true }} {{ typeOf (list) }} {{ typeOf (dict) }} {{ typeOf nil }} {{ typeIs "string" .FOO }} {{ typeIs "int" .FOO }} {{ typeIsLike "string" .FOO }} {{ typeOf 1.5 }}
{{ deepCopy (list 1 2) }} {{ (deepCopy (dict "a" 1)).a }}
{{ camelcase "some_words" }} {{ camelcase "_complex__case_" }} {{ camelcase "GOLANG_IS_GREAT" }} {{ camelcase "some words" }} {{ camelcase "_" }}|{{ camelcase "" }}|{{ camelcase "__" }}|{{ camelcase "a" }} {{ camelcase "_a" }} {{ camelcase "HTTPServer" }} {{ camelcase .BRANCH }} {{ camelcase .UNI }} {{ camelcase .SPACES }}
{{ snakecase "FirstName" }} {{ snakecase "HTTPServer" }} {{ snakecase "NoHTTPS" }} {{ snakecase "GO_PATH" }} {{ snakecase "GO PATH" }} {{ snakecase "http2xx" }} {{ snakecase "HTTP20xOK" }} {{ snakecase "Duration2m3s" }} {{ snakecase "Bld4Floor3rd" }} {{ snakecase "" }}|{{ snakecase "_A__b-" }}|{{ snakecase "a.B1" }} {{ snakecase "v1.2.3" }} {{ snakecase "1Ab2" }}
{{ kebabcase "FirstName" }} {{ kebabcase .BRANCH }} {{ kebabcase .UNI }} {{ kebabcase "HTTP2" }} {{ kebabcase "abc漢字Def" }} {{ kebabcase "A1B2c3" }} {{ kebabcase "a+b=C" }} {{ kebabcase "ÀÉx٣٤y" }} {{ kebabcase .IMAGE_NAME }} {{ kebabcase "a1 b" }} {{ kebabcase "X" }} {{ kebabcase "Ab2.c" }}
{{ semverCompare "1.2.3" "1.2.3" }} {{ semverCompare ">=1.2" "v1.2.3" }} {{ semverCompare "^1.2.0" "1.9.9" }} {{ semverCompare "^1.2.0" "2.0.0" }} {{ semverCompare "~1.2" "1.3.0" }} {{ semverCompare "1.x" "1.7.3" }} {{ semverCompare "*" "0.0.1" }} {{ semverCompare ">1.2.3-alpha" "1.2.3-beta" }} {{ semverCompare ">1.2" "1.3.0-rc1" }}
{{ semverCompare ">=1.2, <2" "1.5.0" }} {{ semverCompare ">=1.2 <2 || >3" "3.5.0" }} {{ semverCompare ">=1.2 <2 || >3" "4" }} {{ semverCompare "1.2 - 1.4.5" "1.4.5" }} {{ semverCompare "1.2 - 1.4.5" "1.4.6" }} {{ semverCompare "!=1.2.3" "1.2.4" }} {{ semverCompare "!=1.x" "1.2.4" }} {{ semverCompare "!=1.2.x" "1.2.4-a" }} {{ semverCompare "=> 1" "1" }} {{ semverCompare "=<1.2" "1.2.9" }}
{{ semverCompare "bad" "1.0.0" }}
{{ semverCompare "1.0.0" "bad" }}
{{ semverCompare "" "1.0.0" }}
{{ semverCompare "1|2" "1.0.0" }}
{{ semver "1.2.3.4" }}
{{ (semver "01.2").String }} {{ semverCompare "^0.2.3" "0.2.9" }} {{ semverCompare "^0.2.3" "0.3.0" }} {{ semverCompare "^0.0.3" "0.0.4" }} {{ semverCompare "^0.0" "0.0.4" }} {{ semverCompare "^0" "0.9" }} {{ semverCompare "~0.0.0" "7" }} {{ semverCompare "~>2" "2.9" }} {{ semverCompare "~1.2.3" "1.2.2" }} {{ semverCompare ">1" "1.9" }} {{ semverCompare ">1.2" "1.2.9" }} {{ semverCompare ">*" "0.0.0" }} {{ semverCompare "<*" "1" }} {{ semverCompare "<=*" "1" }} {{ semverCompare "!=*" "0.0.0" }} {{ semverCompare "!=1" "1.2.3-a" }} {{ semverCompare "^1.x.x" "1.5" }} {{ semverCompare ">1.0.0-a.2" "1.0.0-a.10" }} {{ semverCompare ">1.0.0-a.b" "1.0.0-a.1" }} {{ semverCompare "<1.0.0-a.1" "1.0.0-a" }} {{ semverCompare "1.0.0+x" "1.0.0+y" }} {{ semverCompare "1.2.*" "1.2.7" }} {{ semverCompare "1.x.3" "1.4.0" }} {{ semverCompare ">=1.0-0" "1.0-0" }}
{{ (semver "1.2.3-01").Major }}
{{ (semver "99999999999999999999").Major }}
{{ $v := semver "v1.2.3-beta.1+b5" }}{{ $v.Major }} {{ $v.Minor }} {{ $v.Patch }} {{ $v.Prerelease }} {{ $v.Metadata }} {{ $v.Original }} {{ $v.String }} {{ $v.IncMajor }} {{ $v.IncMinor }} {{ $v.IncPatch }}
{{ (semver "1.2").IncPatch }} {{ (semver "1").String }} {{ (semver "18446744073709551615.1").Major }} {{ add (semver "1.2.3").Minor 1 }} {{ eq (semver "2.1").Major 2 }} {{ printf "%d" (semver "3").Major }}
{{ semver "v1.2" }}
{{ semver "v1.2" | toString }}
{{ $u := urlParse "HTTPS://me:p%40ss@example.com:8080/a%20b/c?q=1&r=%20#frag%21" }}{{ $u.scheme }} {{ $u.host }} {{ $u.hostname }} {{ $u.path }} {{ $u.query }} {{ $u.fragment }} {{ $u.userinfo }} [{{ $u.opaque }}] {{ urlJoin $u }}
{{ urlParse "mailto:a@b.c?x" }} {{ urlParse "" }} {{ urlParse "/a/b" }} {{ urlParse "//h/p" }} {{ urlParse "a/b?c#d" }} {{ urlParse "http://[::1]:80/" }} {{ urlParse "///x" }} {{ urlParse "registry.example.com/team" }} {{ urlParse "http://h?q" }} {{ urlParse "1a/b" }} {{ urlParse "http://u@h" }} {{ urlParse "http://%C3%A9.x/é" }} {{ urlParse "file:///a" }} {{ urlParse "a?b?c" }}
{{ urlParse "http://h:x/" }}
{{ urlParse "registry.example.com:5000/team" }}
{{ urlParse "localhost:5000" }}
{{ urlParse ":a" }}
{{ urlParse "1:a" }}
{{ urlParse "http://a b/" }}
{{ urlParse "http://h/%zz" }}
{{ urlParse "http://h%41/" }}
{{ urlParse "http://a[b/" }}
{{ urlParse "a\tb" }}
{{ urlParse "http://h:1:2/" }}
{{ urlParse "http://a b@h/" }}
{{ urlJoin (dict "scheme" "http" "host" "h:1" "path" "a b/ü;c" "query" "x=y z" "fragment" "f g" "userinfo" "u:p/w") }}
{{ urlJoin (dict "scheme" "http" "host" "h:1" "path" "a b/ü;c*'(!@:?" "query" "x=y z" "fragment" "f g!*'?" "userinfo" "u:p%2Fw") }} {{ urlJoin (dict) }}|{{ urlJoin (dict "path" "a:b/c") }} {{ urlJoin (dict "opaque" "x y" "scheme" "s") }} {{ urlJoin (dict "host" "h") }} {{ urlJoin (dict "scheme" "http" "path" "p") }} {{ urlJoin (dict "scheme" "http") }} {{ urlJoin (dict "path" "*") }} {{ urlJoin (dict "userinfo" "u") }} {{ urlJoin (dict "host" "é x<>\"[]" "scheme" "http" "path" "/a%b") }}
{{ urlJoin (dict "host" 1) }}
{{ pluck "a" (dict "a" 1) (dict "b" 2) (dict "a" 3) }} {{ pluck "z" (dict "a" 1) }} {{ pluck "a" }}
{{ pluck "a" 1 }}
{{ (fromJson "{\"a\": [1, 2.5, true, null, \"x\"]}").a }} {{ fromJson "3" }} {{ fromJson "\"s\"" }} {{ (mustFromJson "{\"a\":1,\"a\":2}").a }} {{ fromJson "[]" }} {{ typeOf (fromJson "1") }} {{ toJson (fromJson "{\"b\": {\"c\": 1.5}}") }} {{ fromJson "{" | default "none" }} {{ (fromJson "[[1]]") | first }} {{ kindOf (fromJson "{}") }}
{{ mustFromJson "{" }}
{{ mustFromJson "1 2" }}
{{ addf 0.1 0.2 }} {{ addf 1.5 2 "3" }} {{ addf }} {{ add1f 1.1 }} {{ subf 0.3 0.1 }} {{ subf 5 }} {{ subf 10 1.5 2 }} {{ mulf 1.1 1.1 }} {{ mulf 3 0.1 }} {{ divf 10 4 }} {{ divf 1 3 }} {{ divf 2 3 }} {{ divf -2 3 }} {{ divf 1 3 3 }} {{ divf 0.3 0.1 }} {{ divf 100 0.001 }} {{ maxf 1 2.5 2 }} {{ minf 3 1.5 }} {{ maxf 1 }} {{ addf "x" 1 }} {{ mulf 0 5 }}
{{ divf 1 1000000 }}
{{ mulf 1e-20 1e20 }} {{ addf 1e10 -1e10 }} {{ mulf (divf 5 1e17) 1e16 }} {{ mulf (divf -5e-17 1) 1e16 }} {{ mulf (divf 5e-17 -1) 1e16 }} {{ mulf (divf 4e-17 1) 1e16 }} {{ mulf 123456.789 0.001 }}
{{ divf 1 0 }}
{{ mustAppend (list 1) 2 }} {{ mustPush (list 1) 2 }} {{ mustPrepend (list 1) 2 }} {{ mustChunk 2 (list 1 2 3) }} {{ mustCompact (list 0 1) }} {{ mustFirst (list 1 2) }} {{ mustLast (list 1 2) }} {{ mustRest (list 1 2) }} {{ mustInitial (list 1 2) }} {{ mustReverse (list 1 2) }} {{ mustUniq (list 1 1) }} {{ mustWithout (list 1 2) 1 }} {{ mustHas 1 (list 1) }} {{ mustSlice (list 1 2 3) 1 2 }}
{{ mustFirst "a" }}
{{ mustHas 1 2 }}
{{ osBase "/a/b" }} {{ osClean "a//b/.." }} {{ osDir "/a/b" }} {{ osExt "a.b" }} {{ osIsAbs "/a" }} {{ osBase "" }} {{ osDir "a" }}
{{ urlJoin (dict "opaque" "x" "userinfo" "[") }}
{{ snakecase "YXYǅ" }} {{ kebabcase "aAǅCXⅧ" }} {{ camelcase "bYǅ0_漢漢" }}
`
