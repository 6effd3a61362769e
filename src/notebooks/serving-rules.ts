import type { NotebookProvider } from './notebook-provider.ts'

/**
 * What the providers' rules say of serving from a notebook, for a person to accept before one is made. Nothing for a
 * machine of one's own.
 */
export const servingRules: Readonly<Record<NotebookProvider, string | null>> = {
  kaggle:
    'Serving at Kaggle: its notebooks are lent for computing. As far as we know its rules bear neither a model served to others nor a tunnel out of a notebook, and every hour that the server waits is booked as a GPU hour. The sessions of a serving policy open no tunnel: they call this service for requests (docs/relay.md); a notebook of its own answers to its own machine alone. Whether your use is allowed is for you to judge.',
  colab:
    'Serving at Colab: its FAQ forbids, on every managed runtime, web services not related to interactive compute, and connecting to remote proxies (https://research.google.com/colaboratory/faq.html, read 2026-11): a server behind a tunnel is both. Choose another place to serve from. Whether a runtime that calls this service for requests, as the sessions of a serving policy do, is one too is for you to judge. A notebook of its own answers to the runtime alone, for trying an adapter while you sit before it.',
  local: null,
}

/** What a tunnel out of a session means, for a person to accept before a serving policy opens one. */
export const tunnelRule =
  'A quick tunnel of Cloudflare puts each node on the open net, under an address that changes with every session; only the bearer key keeps others out, Cloudflare sees what passes, and promises no uptime. Kaggle stops notebooks that open tunnels, and Colab forbids connecting to remote proxies on every managed runtime: with a tunnel serve from a machine of your own.'
