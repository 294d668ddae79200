// FerretDB with SQLite: ferretdb ADDRESS DIRECTORY. Its own program wants files that are not in its module.
package main

import (
	"context"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: os.Args[1]},
		Handler:   "sqlite",
		SQLiteURL: "file:" + os.Args[2] + "/",
	})
	if err == nil {
		err = server.Run(context.Background())
	}
	if err != nil {
		panic(err)
	}
}
