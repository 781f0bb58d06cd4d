"""A model that learns from many batches in one call, with no Python between them."""

from typing import Any

import keras

from kit.data.digits import CLASSES


class Learner(keras.Model):
    """Takes batches where Keras takes rows, and makes a gradient step of each.

    What `fit` calls a step is a loop here, inside what the compiler makes of it: Keras's own work
    between two steps takes as long as the arithmetic of a small batch. Inputs and answers have one
    more axis in front, that of the batches.
    """

    def build_all(self) -> None:
        """Build the optimizer, the loss and the metrics, as nothing can be built in a loop."""
        self.optimizer.build(self.trainable_variables)
        logits = keras.ops.zeros((1, CLASSES))
        self.compute_loss(y=logits, y_pred=logits)
        self.compute_metrics(None, logits, logits)
        self.reset_metrics()

    def train_step(self, *given: Any) -> Any:
        """Learn from each batch in turn; give what Keras's `train_step` gives after the last."""
        *state, batches = given
        inputs, answers, _ = keras.utils.unpack_x_y_sample_weight(batches)
        learn = super().train_step
        if state:  # JAX hands the variables in, and wants them back

            def step(before: Any, batch: Any) -> Any:
                logs, after = learn(before, batch)
                return after, logs

            after, logs = keras.ops.scan(step, state[0], (inputs, answers))
            return {name: values[-1] for name, values in logs.items()}, after

        def step_in_place(i: Any, done: Any) -> Any:
            learn(keras.tree.map_structure(lambda values: values[i], (inputs, answers)))
            return done

        keras.ops.fori_loop(0, keras.ops.shape(answers)[0], step_in_place, 0)
        return self.get_metrics_result()
