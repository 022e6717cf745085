// Makes table.jsonl: what Go's archive/tar reads in tars that no tool writes. Run it with
// `go run main.go > table.jsonl`.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"strings"
)

type entry struct {
	Kind string `json:"kind"`
	Path string `json:"path"`
	Link string `json:"link"`
	Size int64  `json:"size"`
	Mode int64  `json:"mode"`
	Uid  int    `json:"uid"`
	Gid  int    `json:"gid"`
	Text string `json:"text"`
}

type row struct {
	Name    string  `json:"name"`
	Tar     string  `json:"tar"`
	Entries []entry `json:"entries"`
	Refused bool    `json:"refused"`
}

// block is a header block; its sum is made right when it is written.
type block struct {
	field   map[int]string
	content string
	// unpadded leaves out what fills up the last block.
	unpadded bool
	wrong    bool
}

func header(name string, kind byte, size int) block {
	return block{field: map[int]string{
		0: name, 100: "0000644\x00", 108: "0000001\x00", 116: "0000002\x00",
		124: fmt.Sprintf("%011o\x00", size), 136: "00000000000\x00", 156: string(kind), 257: "ustar\x0000",
	}}
}

func (b block) with(at int, text string) block {
	field := map[int]string{at: text}
	for key, value := range b.field {
		if key != at {
			field[key] = value
		}
	}
	b.field = field
	return b
}

func file(name, content string) block {
	b := header(name, '0', len(content))
	b.content = content
	return b
}

func link(name, kind, text string) block {
	return header(name, kind[0], 0).with(157, text)
}

func about(kind byte, content string) block {
	b := header("about the next", kind, len(content))
	b.content = content
	return b
}

func record(key, value string) string {
	rest := fmt.Sprintf(" %s=%s\n", key, value)
	length := len(rest) + 1
	for length != len(rest)+len(fmt.Sprint(length)) {
		length = len(rest) + len(fmt.Sprint(length))
	}
	return fmt.Sprint(length) + rest
}

func pax(pairs ...string) block {
	text := ""
	for i := 0; i < len(pairs); i += 2 {
		text += record(pairs[i], pairs[i+1])
	}
	return about('x', text)
}

func written(blocks []block, end int) []byte {
	var out []byte
	for _, b := range blocks {
		head := make([]byte, 512)
		// The name first: a field that is named later may lie over it.
		for at := 0; at < 512; at++ {
			copy(head[at:], b.field[at])
		}
		copy(head[148:156], "        ")
		if text, set := b.field[148]; set {
			copy(head[148:156], text)
		} else {
			sum := 0
			for _, c := range head {
				sum += int(c)
			}
			if b.wrong {
				sum++
			}
			copy(head[148:156], fmt.Sprintf("%06o\x00 ", sum))
		}
		out = append(out, head...)
		out = append(out, b.content...)
		for !b.unpadded && len(out)%512 != 0 {
			out = append(out, 0)
		}
	}
	return append(out, make([]byte, end)...)
}

func read(archive []byte) (entries []entry, refused bool) {
	reader := tar.NewReader(bytes.NewReader(archive))
	entries = []entry{}
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return entries, false
		}
		if err != nil {
			return nil, true
		}
		content, err := io.ReadAll(io.LimitReader(reader, 1<<20))
		if err != nil {
			return nil, true
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			// containerd and Docker leave it out.
			continue
		}
		one := entry{Kind: string(header.Typeflag), Path: header.Name, Mode: header.Mode & 07777, Uid: header.Uid, Gid: header.Gid}
		switch header.Typeflag {
		case tar.TypeReg, tar.TypeCont:
			one.Kind, one.Size, one.Text = "file", header.Size, strings.TrimRight(string(content), "\x00")
		case tar.TypeDir:
			one.Kind = "folder"
		case tar.TypeSymlink:
			one.Kind, one.Link = "link", header.Linkname
		case tar.TypeLink:
			one.Kind, one.Link = "hard link", header.Linkname
		case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			one.Kind = "device"
		}
		entries = append(entries, one)
	}
}

var table = json.NewEncoder(os.Stdout)

func add(name string, archive []byte) {
	entries, refused := read(archive)
	var packed bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&packed, 9)
	writer.Write(archive)
	writer.Close()
	table.Encode(row{name, hex.EncodeToString(packed.Bytes()), entries, refused})
}

func main() {
	table.SetEscapeHTML(false)
	next := file("next", "y")
	old := func(name, content string) block { return file(name, content).with(156, "\x00") }
	gnu := func(b block) block { return b.with(257, "ustar  \x00") }
	inner := string(written([]block{file("hidden", "")}, 0))
	for _, one := range []struct {
		name   string
		blocks []block
	}{
		{"plain", []block{file("a", "x"), header("d/", '5', 0), link("l", "2", "a"), link("h", "1", "a"), next}},
		{"PAX path, then a GNU name", []block{pax("path", "pax"), about('L', "gnu\x00"), file("own", "x"), next}},
		{"GNU name, then a PAX path", []block{about('L', "gnu\x00"), pax("path", "pax"), file("own", "x"), next}},
		{"GNU link, then a PAX link", []block{about('K', "gnu\x00"), pax("linkpath", "pax"), link("l", "2", "own"), next}},
		{"two PAX headers", []block{pax("path", "first"), pax("uid", "7"), file("own", "x"), next}},
		{"PAX size, then a PAX path", []block{pax("size", "512"), pax("path", "p"), file("own", ""), file("hidden", ""), next}},
		{"PAX, a global one, a file", []block{pax("path", "pax"), about('g', record("comment", "c")), file("own", "x"), next}},
		{"GNU name, a global one, a file", []block{about('L', "gnu"), about('g', record("comment", "c")), file("own", "x"), next}},
		{"a global path", []block{about('g', record("path", "all")), file("own", "x"), next}},
		{"a broken global one", []block{about('g', "99 x=y\n"), file("own", "x"), next}},
		{"a global one with a number that is none", []block{about('g', record("uid", "x")), file("own", "x"), next}},
		{"a PAX path twice, the last empty", []block{pax("path", "a", "path", ""), file("own", "x"), next}},
		{"an empty GNU name", []block{about('L', ""), file("own", "x"), next}},
		{"a GNU name of NUL", []block{about('L', "\x00x"), file("own", "x"), next}},
		{"a PAX path with NUL", []block{pax("path", "a\x00b"), file("own", "x"), next}},
		{"a PAX key with NUL", []block{pax("a\x00b", "c"), file("own", "x"), next}},
		{"an empty PAX key", []block{about('x', "5 =a\n"), file("own", "x"), next}},
		{"PAX times", []block{pax("mtime", "1.5", "atime", "-1.25", "ctime", "7"), file("own", "x"), next}},
		{"a PAX time that is none", []block{pax("mtime", "1e9"), file("own", "x"), next}},
		{"a PAX time with a broken fraction", []block{pax("mtime", "1.5x"), file("own", "x"), next}},
		{"a PAX number with a sign", []block{pax("uid", "+7"), file("own", "x"), next}},
		{"a PAX number below nothing", []block{pax("uid", "-7"), file("own", "x"), next}},
		{"a PAX size of a folder", []block{pax("size", "512"), header("d/", '5', 0), next}},
		{"a PAX size of a link", []block{pax("size", "512"), link("l", "2", "a"), next}},
		{"a PAX length with zeros", []block{about('x', "000000000017 path=p\n"[:19]), file("own", "x"), next}},
		{"an old folder", []block{old("d/", ""), next}},
		{"an old folder with content", []block{old("d/", inner), next}},
		{"an old folder by its PAX path", []block{pax("path", "d/"), old("own", inner), next}},
		{"an old file by its PAX path", []block{pax("path", "f"), old("own/", inner), next}},
		{"an old folder by its GNU name", []block{about('L', "d/"), old("own", inner), next}},
		{"a folder with a size", []block{header("d/", '5', 512), file("hidden", ""), next}},
		{"a link with a size", []block{header("l", '2', 512), file("hidden", ""), next}},
		{"a device with a size", []block{header("c", '3', 512), file("hidden", ""), next}},
		{"a contiguous file", []block{file("a", "x").with(156, "7"), next}},
		{"a file with a slash", []block{file("a/", "x"), next}},
		{"ustar of another version", []block{file("own", "x").with(263, "xx").with(345, "prefix"), next}},
		{"a prefix", []block{file("own", "x").with(345, "prefix"), next}},
		{"a prefix of 155 bytes", []block{file("own", "x").with(345, strings.Repeat("p", 155)), next}},
		{"a prefix of star", []block{file("own", "x").with(345, strings.Repeat("p", 131)).with(476, "00000000001 ").with(488, "00000000002 ").with(508, "tar\x00"), next}},
		{"a prefix of star and a bad time", []block{file("own", "x").with(345, "p").with(476, "zzz").with(508, "tar\x00"), next}},
		{"a prefix without magic", []block{file("own", "x").with(257, "        ").with(345, "prefix"), next}},
		{"a prefix in a GNU header", []block{gnu(file("own", "x")).with(345, "prefix"), next}},
		{"a prefix in a GNU header that is not ASCII", []block{gnu(file("own", "x")).with(345, "pr\xe9fix"), next}},
		{"times in a GNU header", []block{gnu(file("own", "x")).with(345, "00000000001\x00").with(357, "00000000002\x00"), next}},
		{"one time in a GNU header is none", []block{gnu(file("own", "x")).with(345, "00000000001\x00").with(357, "second"), next}},
		{"a GNU header of another version", []block{file("own", "x").with(257, "ustar 00").with(345, "prefix"), next}},
		{"a name with a backslash", []block{file("a\\b", "x").with(345, "p"), next}},
		{"a name of 100 bytes", []block{file(strings.Repeat("n", 100), "x"), next}},
		{"a size of NUL", []block{file("a", "").with(124, strings.Repeat("\x00", 12)), next}},
		{"a size after NUL", []block{file("a", "x").with(124, "\x00\x00\x0000000001\x00"), next}},
		{"a size after blanks", []block{file("a", "x").with(124, "         1 \x00"), next}},
		{"a size with a sign", []block{file("a", "x").with(124, "+0000000001\x00"), next}},
		{"a size with more after NUL", []block{file("a", "x").with(124, "1\x007777777777"), next}},
		{"a size with an 8", []block{file("a", "x").with(124, "00000000008\x00"), next}},
		{"a size in base 256", []block{file("a", "x").with(124, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), next}},
		{"a size in base 256, too large", []block{file("a", "x").with(124, "\x80\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01"), next}},
		{"a size in base 256, below nothing", []block{file("a", "x").with(124, strings.Repeat("\xff", 12)), next}},
		{"a size of a folder below nothing", []block{header("d/", '5', 0).with(124, strings.Repeat("\xff", 12)), next}},
		{"an owner in base 256", []block{file("a", "x").with(108, "\x80\x00\x00\x00\x00\x01\x00\x00"), next}},
		{"an owner below nothing", []block{file("a", "x").with(108, "\xff\xff\xff\xff\xff\xff\xff\xfe"), next}},
		{"an owner that is none", []block{file("a", "x").with(108, "nobody\x00\x00"), next}},
		{"a mode that is none", []block{file("a", "x").with(100, "zzzzzzz\x00"), next}},
		{"a time that is none", []block{file("a", "x").with(136, "now"), next}},
		{"a device number that is none", []block{file("a", "x").with(329, "zz"), next}},
		{"a device number that is none, without magic", []block{file("a", "x").with(257, "        ").with(329, "zz"), next}},
		{"a mode with a type", []block{file("a", "x").with(100, "0100755\x00"), next}},
		{"a wrong sum", []block{{field: file("a", "x").field, content: "x", wrong: true}, next}},
		{"a sum that is none", []block{file("a", "x").with(148, "zz"), next}},
		{"a sum in another form", []block{file("sum", "x").with(148, "  12345\x00"), next}},
		{"no padding at the end", []block{file("a", "x"), {field: file("b", "xy").field, content: "xy", unpadded: true}}},
	} {
		end := 1024
		if last := one.blocks[len(one.blocks)-1]; last.unpadded {
			end = 0
		}
		add(one.name, written(one.blocks, end))
	}
	add("one empty block", written([]block{next}, 512))
	add("no empty block", written([]block{next}, 0))
	add("half an empty block", written([]block{next}, 700))
	add("a signed sum", signed())

	random := rand.New(rand.NewSource(1))
	pick := func(from []string) string { return from[random.Intn(len(from))] }
	numbers := []string{"0000001\x00", "\x00\x00\x00\x00\x00\x00\x00\x00", "       1", "1\x0077", "\x80\x00\x00\x00\x00\x00\x00\x05", "\xff\xff\xff\xff\xff\xff\xff\xff", "9", "-1", "+1", "777", "x", "0 1"}
	sizes := []string{"00000000001\x00", "00000001000\x00", "           0", strings.Repeat("\x00", 12), "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\x00", "\x80\x00\x00\x00\xff", "8", "-7", "1000 ", "\x001000"}
	names := []string{"a", "b/", "b/c", "", "d", "x\x00y", "/e", "./f"}
	keys := []string{"path", "linkpath", "size", "uid", "gid", "mtime", "comment", "SCHILY.xattr.user.x"}
	values := map[string][]string{"path": {"", "p", "q/"}, "linkpath": {"", "p"}, "size": {"", "0", "1", "512"}, "uid": {"", "7", "+2", "x"}, "gid": {"", "7"}, "mtime": {"", "1.5", "p"}, "comment": {"", "c"}, "SCHILY.xattr.user.x": {"", "v"}}
	for number := 0; number < 400; number++ {
		var blocks []block
		for count := 1 + random.Intn(5); count > 0; count-- {
			var b block
			switch random.Intn(7) {
			case 0:
				one, other := pick(keys), pick(keys)
				b = pax(one, pick(values[one]), other, pick(values[other]))
			case 1:
				b = about("LK"[random.Intn(2)], pick(names))
			case 2:
				key := pick(keys)
				b = about('g', record(key, pick(values[key])))
			case 3:
				b = link(pick(names), pick([]string{"1", "2"}), pick(names))
			default:
				b = file(pick(names), pick([]string{"", inner})).with(156, pick([]string{"0", "\x00", "5", "7", "6", "3"}))
			}
			switch random.Intn(24) {
			case 0:
				b = b.with([]int{100, 108, 116, 329, 337}[random.Intn(5)], pick(numbers))
			case 1:
				b = b.with(124, pick(sizes))
			case 2:
				b = b.with(257, pick([]string{"ustar  \x00", "ustar\x0001", "        ", "ustar 00"}))
			case 3:
				b = b.with(345, pick([]string{"p", "p/q", "00000000001\x00", "z"}))
			}
			blocks = append(blocks, b)
		}
		add(fmt.Sprintf("random %d", number), written(append(blocks, next), []int{1024, 1024, 512, 0}[random.Intn(4)]))
	}
}

// signed returns a tar whose sum is of signed bytes, as some old tars made it.
func signed() []byte {
	archive := written([]block{file("caf\xc3\xa9", "x")}, 1024)
	sum := 0
	for at, c := range archive[:512] {
		if at >= 148 && at < 156 {
			c = ' '
		}
		sum += int(int8(c))
	}
	copy(archive[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return archive
}
