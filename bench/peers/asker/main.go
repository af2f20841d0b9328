// Asker calls one gRPC method with prepared requests and counts the answers, which it does not read: a caller that
// takes little of the processors that it shares with the servers it measures.
//
// Requests come on standard input, each with its length before it (4 bytes, big-endian). One line of JSON goes out.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// raw passes bytes through in both directions.
type raw struct{}

func (raw) Marshal(value any) ([]byte, error) {
	body, ok := value.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("not bytes: %T", value)
	}
	return *body, nil
}

func (raw) Unmarshal(data []byte, value any) error {
	body, ok := value.(*[]byte)
	if !ok {
		return fmt.Errorf("not bytes: %T", value)
	}
	*body = data
	return nil
}

func (raw) Name() string { return "proto" }

type result struct {
	Calls   int64   `json:"calls"`
	Errors  int64   `json:"errors"`
	Seconds float64 `json:"seconds"`
}

func requests(source io.Reader) ([][]byte, error) {
	var found [][]byte
	reader := bufio.NewReaderSize(source, 1<<20)
	for {
		var length uint32
		if err := binary.Read(reader, binary.BigEndian, &length); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(reader, body); err != nil {
			return nil, err
		}
		found = append(found, body)
	}
}

// ask calls until the time is over or the requests are, and says how long that took.
func ask(target, method string, connections, atOnce int, patience time.Duration, asked [][]byte) (result, error) {
	var next, calls, failed atomic.Int64
	var workers sync.WaitGroup
	var channels []*grpc.ClientConn
	for range connections {
		channel, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
		if err != nil {
			return result{}, err
		}
		defer channel.Close()
		channels = append(channels, channel)
		// The first call opens the connection, which is not measured.
		var answer []byte
		if err := channel.Invoke(context.Background(), method, &asked[0], &answer, grpc.WaitForReady(true)); err != nil {
			return result{}, err
		}
	}
	start := time.Now()
	for worker := range connections * atOnce {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for time.Since(start) < patience {
				place := next.Add(1)
				if place >= int64(len(asked)) {
					return
				}
				var answer []byte
				if err := channels[worker%connections].Invoke(context.Background(), method, &asked[place], &answer); err != nil {
					failed.Add(1)
					continue
				}
				calls.Add(1)
			}
		}()
	}
	workers.Wait()
	return result{calls.Load(), failed.Load(), time.Since(start).Seconds()}, nil
}

func main() {
	target := flag.String("target", "", "host:port of the servers")
	method := flag.String("method", "", "/package.Service/Method")
	connections := flag.Int("connections", 16, "connections, which the system spreads over the servers")
	atOnce := flag.Int("at-once", 4, "calls under way on each")
	seconds := flag.Float64("seconds", 4, "how long")
	flag.Parse()
	asked, err := requests(os.Stdin)
	if err == nil && len(asked) == 0 {
		err = errors.New("no requests")
	}
	var found result
	if err == nil {
		found, err = ask(*target, *method, *connections, *atOnce, time.Duration(*seconds*float64(time.Second)), asked)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
