// The servers and threads of the bench in Go: a goroutine a connection, standard library only.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

func echo(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		if _, err := c.Write(buffer[:n]); err != nil {
			return
		}
		// A buffer of 64 KiB for each of 10,000 idle connections would be memory for nothing.
		if n == len(buffer) && n < 65536 {
			buffer = make([]byte, 65536)
		}
	}
}

func lines(c net.Conn) {
	defer c.Close()
	reader := bufio.NewReader(c)
	writer := bufio.NewWriter(c)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		writer.Write(line)
		if reader.Buffered() == 0 {
			if writer.Flush() != nil {
				return
			}
		}
	}
}

func storm(c net.Conn) {
	defer c.Close()
	line, err := bufio.NewReader(c).ReadSlice('\n')
	if err == nil {
		c.Write(line)
	}
}

func serve(handler func(net.Conn)) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("READY %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		c, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go handler(c)
	}
}

// Does a round for each line on standard input, and says how many operations it had.
func rounds(round func() int) {
	fmt.Println("READY 0")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		fmt.Printf("DONE %d\n", round())
	}
}

func threadStart() int {
	const count = 100000
	for i := 0; i < count; i++ {
		go time.Sleep(time.Hour)
	}
	// Let each of them fall asleep.
	for i := 0; i < 10; i++ {
		runtime.Gosched()
	}
	return count
}

func threadJoin() int {
	const count = 100000
	for i := 0; i < count; i++ {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
	}
	return count
}

func queues() int {
	const count = 100000
	to, from := make(chan int, 16), make(chan int, 16)
	go func() {
		for i := range to {
			from <- i
		}
	}()
	for i := 0; i < count; i++ {
		to <- i
		<-from
	}
	close(to)
	return count
}

func sleepers() int {
	const count = 100000
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func(i int) {
			time.Sleep(time.Duration(i%500) * time.Millisecond)
			all.Done()
		}(i)
	}
	all.Wait()
	return count
}

func timeout() int {
	const count = 100000
	for i := 0; i < count; i++ {
		timer := time.AfterFunc(30*time.Second, func() {})
		runtime.Gosched()
		timer.Stop()
	}
	return count
}

func main() {
	switch os.Args[1] {
	case "lines":
		serve(lines)
	case "storm":
		serve(storm)
	case "thread-start":
		rounds(threadStart)
	case "thread-join":
		rounds(threadJoin)
	case "queues":
		rounds(queues)
	case "sleepers":
		rounds(sleepers)
	case "timeout":
		rounds(timeout)
	default:
		serve(echo)
	}
}
