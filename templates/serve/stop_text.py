"""Text that ends where a stop text begins, though it comes in pieces."""


class StopText:
    """Holds back what may be the beginning of a stop text until it is clear."""

    def __init__(self, stops):
        self._stops = stops
        self._held = ''
        self.reached = False

    def feed(self, piece):
        """What may be passed on now; nothing after a stop text was reached."""
        if self.reached:
            return ''
        text = self._held + piece
        ends = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if ends:
            self.reached = True
            self._held = ''
            return text[:min(ends)]
        keep = max((size for stop in self._stops for size in range(1, len(stop))
                    if text.endswith(stop[:size])), default=0)
        self._held = text[len(text) - keep:]
        return text[:len(text) - keep]

    def rest(self):
        """What was held back, at the end of the answer."""
        text, self._held = self._held, ''
        return text
