// Command tessera measures Tessera's POSIX storage on entries that it is given: how long until all of them have an
// index and a published checkpoint covers them.
//
// Standard input: entries, each after its length as a big-endian uint32. They are read whole before the clock starts.
// Standard output: one JSON object {"entries": n, "seconds": s, "cpu_seconds": c, "deduplicated": bool}.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	antispam "github.com/transparency-dev/tessera/storage/posix/antispam"
)

const (
	maxEntry = 64 << 10
	// What the ledger does too: a checkpoint a second at most.
	checkpointEvery = time.Second
	// Its memory of entries on disk may be so far behind the log; it is filled beside it, and not waited for at the end.
	behind        = 1 << 20
	pushedBackFor = 10 * time.Millisecond
	maxTries      = 3000
)

func main() {
	folder := flag.String("folder", "", "an empty folder for the log")
	dedup := flag.Bool("dedup", false, "remember every entry on disk and give a repeated one its first index")
	batch := flag.Uint("batch", 1024, "most entries integrated at once")
	outstanding := flag.Int("outstanding", 8192, "entries that wait for their index at one time")
	flag.Parse()
	entries, err := readEntries(bufio.NewReaderSize(os.Stdin, 1<<20))
	if err != nil {
		log.Fatalf("standard input: %v", err)
	}
	if err := run(context.Background(), *folder, entries, *dedup, *batch, *outstanding); err != nil {
		log.Fatal(err)
	}
}

func readEntries(in io.Reader) ([][]byte, error) {
	var found [][]byte
	for {
		var size uint32
		if err := binary.Read(in, binary.BigEndian, &size); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		if size > maxEntry {
			return nil, errors.New("an entry is longer than 64 KiB")
		}
		entry := make([]byte, size)
		if _, err := io.ReadFull(in, entry); err != nil {
			return nil, err
		}
		found = append(found, entry)
	}
}

func run(ctx context.Context, folder string, entries [][]byte, dedup bool, batch uint, outstanding int) error {
	secret, _, err := note.GenerateKey(nil, "bench.example/tessera")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: folder})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(checkpointEvery).
		WithBatching(batch, 50*time.Millisecond).
		WithPushback(uint(2 * outstanding))
	if dedup {
		kept, err := antispam.NewAntispam(ctx, filepath.Join(folder, "seen"), antispam.AntispamOpts{PushbackThreshold: behind})
		if err != nil {
			return err
		}
		options = options.WithAntispam(uint(2*outstanding), kept)
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)

	before, began := cpuSeconds(), time.Now()
	if err := addAll(ctx, appender, awaiter, entries, outstanding); err != nil {
		return err
	}
	seconds, used := time.Since(began).Seconds(), cpuSeconds()-before
	if err := shutdown(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"entries": len(entries), "seconds": seconds, "cpu_seconds": used, "deduplicated": dedup,
	})
}

// addAll returns when every entry has its index and the checkpoint that is published covers the last one.
func addAll(
	ctx context.Context, appender *tessera.Appender, awaiter *tessera.PublicationAwaiter, entries [][]byte, outstanding int,
) error {
	var last atomic.Uint64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(outstanding)
	for _, entry := range entries {
		group.Go(func() error {
			index, err := add(ctx, appender, entry)
			for seen := last.Load(); err == nil && index.Index > seen && !last.CompareAndSwap(seen, index.Index); {
				seen = last.Load()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	end := func() (tessera.Index, error) { return tessera.Index{Index: last.Load()}, nil }
	_, _, err := awaiter.Await(context.WithoutCancel(ctx), end)
	return err
}

// add gives an entry to the log, again and again while the log has no room or its memory of entries is behind.
func add(ctx context.Context, appender *tessera.Appender, entry []byte) (tessera.Index, error) {
	for try := 0; ; try++ {
		index, err := appender.Add(ctx, tessera.NewEntry(entry))()
		if !errors.Is(err, tessera.ErrPushback) || try == maxTries {
			return index, err
		}
		time.Sleep(pushedBackFor)
	}
}

// cpuSeconds is the processor time of this process so far.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
