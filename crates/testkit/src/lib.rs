//! What the tests share: scenarios, the reference model of a grant, faulty stores, fuzz bodies.
