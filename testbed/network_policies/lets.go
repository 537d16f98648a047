// A file of the testbed that is built into this package: what the package makes of a packet is nobody else's to ask.
package networkpolicy

import (
	"context"
	"net"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// Cluster is what policies are about.
type Cluster struct {
	Namespaces []*v1.Namespace
	Pods       []*v1.Pod
	Policies   []*networkingv1.NetworkPolicy
}

// Packet is the first of a connection.
type Packet struct {
	From, To string
	Port     int
	Protocol v1.Protocol
}

// Lets answers for each packet whether it passes.
func Lets(cluster Cluster, packets []Packet) ([]bool, error) {
	pods := map[string]*v1.Pod{}
	indexer := func() cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	}
	namespaces, podStore, policies := indexer(), indexer(), indexer()
	for _, each := range cluster.Namespaces {
		if err := namespaces.Add(each); err != nil {
			return nil, err
		}
	}
	for _, each := range cluster.Pods {
		pods[each.Status.PodIP] = each
		if err := podStore.Add(each); err != nil {
			return nil, err
		}
	}
	for _, each := range cluster.Policies {
		if err := policies.Add(each); err != nil {
			return nil, err
		}
	}
	controller := &Controller{
		networkpolicyLister: networkinglisters.NewNetworkPolicyLister(policies),
		namespaceLister:     corelisters.NewNamespaceLister(namespaces),
		podLister:           corelisters.NewPodLister(podStore),
		getPodAssignedToIP:  func(ip string) *v1.Pod { return pods[ip] },
	}
	passes := []bool{}
	for _, each := range packets {
		passes = append(passes, controller.evaluatePacket(context.Background(), packet{
			srcIP: net.ParseIP(each.From), dstIP: net.ParseIP(each.To), srcPort: 40000, dstPort: each.Port, proto: each.Protocol,
		}))
	}
	return passes, nil
}
