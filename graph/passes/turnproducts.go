package passes

import (
	"slices"

	"wayside/graph"
)

// TurnProducts looks for products of matrices with an input whose last two axes a transpose has swapped, among others: where the product takes the
// swapped matrix as it is, the transpose moves whole rows, or nothing.
func TurnProducts(g *graph.Graph) error {
	producer, users := g.Producers(), g.Users()
	for i := range g.Nodes {
		p, ok := g.Nodes[i].Attr.(graph.MatrixProduct)
		if !ok || g.Nodes[i].Op != "MatMul" {
			continue
		}
		a, b := p.Transposed()
		for side := range 2 {
			v := g.Nodes[i].In[side]
			if !readOnce(g, users, v) || producer[v] < 0 {
				continue
			}
			t := &g.Nodes[producer[v]]
			perm, ok := permOf(t)
			last := len(perm) - 1
			if !ok || last < 1 || perm[last-1] != last || side == 0 && !a { // the left side is read by rows
				continue
			}
			perm = slices.Clone(perm)
			perm[last-1], perm[last] = perm[last], perm[last-1]
			shape := slices.Clone(g.Values[v].Shape)
			shape[last-1], shape[last] = shape[last], shape[last-1]
			t.Attr, g.Values[v].Shape = graph.TransposeAttr{Perm: perm}, shape
			if side == 0 {
				a = !a
			} else {
				b = !b
			}
			if isIdentity(perm) {
				g.Nodes[i].In = slices.Clone(g.Nodes[i].In)
				g.Nodes[i].In[side] = t.In[0]
			}
		}
		g.Nodes[i].Attr = p.Turn(a, b)
	}
	return Dead(g)
}
