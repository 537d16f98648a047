// Reads a cluster and packets from stdin, and says of each packet whether kube-network-policies would let it pass.
package main

import (
	"encoding/json"
	"log"
	"os"

	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	var asked struct {
		networkpolicy.Cluster
		Packets []networkpolicy.Packet
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	passes, err := networkpolicy.Lets(asked.Cluster, asked.Packets)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(passes); err != nil {
		log.Fatal(err)
	}
}
