//! What is taken and what is refused, table by table.
