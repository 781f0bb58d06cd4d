"""How good a run is, judged only on what it has not seen."""
