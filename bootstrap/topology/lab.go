package topology

// ShareDisk suits the kubelets to a lab, whose hosts all see the machine's own disk: that it is nearly full is no reason to delete images or to evict pods. What the
// topology sets wins.
func (t *Topology) ShareDisk() {
	for _, c := range t.Clusters {
		c.Components = append([]Component{{Name: "kubelet", Settings: map[string]any{
			"imageGCHighThresholdPercent": int64(100), "imageGCLowThresholdPercent": int64(99),
			"evictionHard": map[string]any{"memory.available": "100Mi", "nodefs.available": "50Mi", "imagefs.available": "50Mi", "nodefs.inodesFree": "1%"},
		}}}, c.Components...)
	}
}
