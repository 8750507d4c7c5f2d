package testenv

// Dir is where the cluster's processes work.
func (c *Cluster) Dir() string { return c.plane.Dir() }
