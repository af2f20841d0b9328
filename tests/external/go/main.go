// Command logcheck checks a served log with the Go project's own packages for transparency logs, golang.org/x/mod
// sumdb/note and sumdb/tlog, which share nothing with Passerelle. It fetches the checkpoint, opens the note with the
// verifier key, reads tiles over HTTP through tlog.TileHashReader (which proves every tile against the root), checks the
// inclusion of every entry of the entry bundles, and that an older checkpoint is a prefix of the new one.
//
//	logcheck -log URL -vkey KEY [-old FILE]
//
// It prints one JSON object and ends with status 0, or says on standard error what is wrong and ends with status 1.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height       = 8
	width        = 1 << height
	maxNote      = 1 << 20
	maxTile      = width * tlog.HashSize
	maxBundle    = width * (2 + 65535)
	maxBundlesOf = 1 << 16
)

// A Log reads a log in the form of C2SP tlog-tiles. It is a tlog.TileReader.
type Log struct {
	url    string
	client *http.Client
	tiles  int
}

// Get returns the bytes at a path, at most limit of them.
func (l *Log) Get(path string, limit int64) ([]byte, error) {
	response, err := l.client.Get(l.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", path, response.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: over %d bytes", path, limit)
	}
	return data, err
}

// Height is the height of the log's tiles.
func (l *Log) Height() int { return height }

// SaveTiles keeps nothing: every tile is fetched when it is needed.
func (l *Log) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles fetches tiles. The paths of C2SP tlog-tiles are those of the Go checksum database without the height.
func (l *Log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		data, err := l.Get(path, maxTile)
		if err != nil {
			return nil, err
		}
		found[i] = data
		l.tiles++
	}
	return found, nil
}

// Entries returns the entries of one bundle of the given width.
func (l *Log) Entries(n, count int64) ([][]byte, error) {
	tile := tlog.Tile{H: height, L: -1, N: n, W: int(count)}
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/data/", height), "tile/entries/", 1)
	data, err := l.Get(path, maxBundle)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s: an entry is cut off", path)
		}
		length := int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	if int64(len(entries)) != count {
		return nil, fmt.Errorf("%s: %d entries, not %d", path, len(entries), count)
	}
	return entries, nil
}

// Open opens a checkpoint: a note signed under the key, of the key's origin, that names a tree.
func Open(data []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.SplitN(opened.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("the note is no checkpoint of this origin")
	}
	// tlog.ParseTree knows one origin only, that of the Go checksum database: the two other lines are the same.
	return tlog.ParseTree([]byte("go.sum database tree\n" + lines[1] + "\n" + lines[2] + "\n"))
}

// Result is what was checked.
type Result struct {
	Size       int64  `json:"size"`
	Root       string `json:"root"`
	Entries    int64  `json:"entries"`
	Tiles      int    `json:"tiles"`
	Consistent bool   `json:"consistent"`
	OldSize    int64  `json:"old_size"`
}

func check(url, vkey, old string) (Result, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return Result{}, err
	}
	log := &Log{url: strings.TrimSuffix(url, "/"), client: &http.Client{Timeout: 20 * time.Second}}
	data, err := log.Get("checkpoint", maxNote)
	if err != nil {
		return Result{}, err
	}
	tree, err := Open(data, verifier)
	if err != nil {
		return Result{}, err
	}
	result := Result{Size: tree.N, Root: fmt.Sprintf("%x", tree.Hash[:])}
	reader := tlog.TileHashReader(tree, log)
	if err := included(log, reader, tree, &result); err != nil {
		return result, err
	}
	result.Tiles = log.tiles
	if old == "" {
		return result, nil
	}
	return result, consistent(old, verifier, reader, tree, &result)
}

// included checks each entry twice: against the leaf hash in the proved tiles, and by an inclusion proof.
func included(log *Log, reader tlog.HashReader, tree tlog.Tree, result *Result) error {
	for n := int64(0); n*width < tree.N; n++ {
		if n >= maxBundlesOf {
			return errors.New("the log is too large for this check")
		}
		entries, err := log.Entries(n, min(width, tree.N-n*width))
		if err != nil {
			return err
		}
		indexes := make([]int64, len(entries))
		for i := range entries {
			indexes[i] = tlog.StoredHashIndex(0, n*width+int64(i))
		}
		leaves, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			index, leaf := n*width+int64(i), tlog.RecordHash(entry)
			if leaf != leaves[i] {
				return fmt.Errorf("entry %d is not the leaf of the tree", index)
			}
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			result.Entries++
		}
	}
	return nil
}

func consistent(path string, verifier note.Verifier, reader tlog.HashReader, tree tlog.Tree, result *Result) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, err := Open(data, verifier)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, before.N, reader)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
		return err
	}
	result.Consistent, result.OldSize = true, before.N
	return nil
}

func main() {
	url := flag.String("log", "", "address of the log over HTTP")
	vkey := flag.String("vkey", "", "the log's verifier key")
	old := flag.String("old", "", "file of an older checkpoint")
	flag.Parse()
	result, err := check(*url, *vkey, *old)
	if err != nil {
		fmt.Fprintln(os.Stderr, "logcheck:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, "logcheck:", err)
		os.Exit(1)
	}
}
