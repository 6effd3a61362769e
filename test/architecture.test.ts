import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const folders = (...names: string[]) => names.map((name) => `src/${name}`)

/** Domains import the ground alone, but for arrows written here; nobody beside them. */
const domains = folders(
  'rotation',
  'artifacts',
  'safekeeping',
  'notebooks',
  'datasets',
  'health',
  'alerts',
  'serving',
)

/** What a folder, or a file right below src, may import besides itself. Every import points down. */
const sees: Readonly<Record<string, readonly string[]>> = {
  'src/main.ts': ['src/cli'],
  'src/box.ts': ['src/cli'],
  'src/cli': ['src/app', ...folders('api', 'simulation', 'config', 'lib'), ...domains],
  'src/app': folders(
    'control',
    'http',
    'providers',
    'store',
    'daemon',
    'config',
    'lib',
    'emulators',
  ).concat(domains),
  'src/http': [...folders('api', 'control', 'lib'), ...domains],
  'src/api': [...domains, 'src/lib'],
  'src/daemon': [...domains, 'src/lib'],
  'src/providers': [...domains, 'src/lib'],
  'src/store': ['src/control', 'src/config', ...domains, 'src/lib'],
  'src/control': [...domains, 'src/lib'],
  'src/emulators': ['src/lib'],
  'src/simulation': ['src/rotation', 'src/health', 'src/lib'], // its prober goes by the real rhythm and consequences
  'src/config': ['src/lib'],
  'src/lib': [],
  ...Object.fromEntries(domains.map((domain) => [domain, ['src/lib']])),
  'src/health': ['src/alerts', 'src/lib'], // what an incident tells is made where it happens
  // What a look through the relay has seen is said as of any other look.
  'src/serving': ['src/health', 'src/lib'],
  // What happens in the rotation is told, and told in the wall time that the rotation reckons with.
  'src/alerts': folders('rotation', 'lib'),
}

/** Single arrows beside the table, each for a reason of its own; there is none. */
const exceptions: readonly string[] = []

/** Where the outside world may be touched: a file or folder for each kind of door, with nothing else let through. */
const doors: readonly {
  readonly what: string
  readonly pattern: RegExp
  readonly only: readonly string[]
}[] = [
  {
    what: 'the clock',
    pattern: /\bnew Date\(\s*\)|\bDate\.now\b|\bperformance\.now\b|\bprocess\.hrtime\b/,
    only: ['src/lib/clock.ts'],
  },
  {
    what: 'the environment',
    pattern: /\bprocess\.env\b/,
    only: ['src/cli/context.ts', 'src/cli/up.ts'],
  },
  {
    what: 'the network',
    pattern: /\bfetch\(|from 'node:(?:https?|net|tls|dgram|http2|dns)'/,
    only: [
      'src/providers',
      'src/emulators',
      'src/http/listen.ts',
      'src/api/client.ts',
      'src/api/patient-fetch.ts',
      'src/cli/data.ts', // streams a file of any size, which the typed client does not
    ],
  },
  {
    what: 'files',
    pattern: /from 'node:fs(?:\/promises)?'/,
    only: [
      'src/store',
      'src/config',
      'src/cli',
      'src/emulators',
      'src/providers/local',
      'src/providers/cloudflared/process.ts', // the note of what it has started
      'src/providers/colab', // the home of the command line, and its sessions
      'src/providers/embedded-emulators.ts',
      'src/lib/processes.ts', // the system's own list of processes
      'src/app',
    ],
  },
  {
    what: 'other programs',
    pattern: /from 'node:child_process'/,
    only: ['src/providers', 'src/emulators', 'src/cli', 'src/lib/processes.ts'],
  },
  {
    what: 'the database',
    pattern: /from 'better-sqlite3'/,
    only: ['src/store', 'src/emulators/folder-lock.ts'], // a lock that the system takes back from the dead
  },
  {
    what: 'chance',
    pattern: /\bMath\.random\b/,
    only: [],
  },
]

interface SourceFile {
  readonly path: string
  readonly text: string
  /** Paths of our own files that it imports, types included. */
  readonly imports: readonly string[]
}

const imported = /\b(?:from|import)\s*\(?\s*'([^']+)'/g

/** Comments hold examples and links; only code counts. */
const withoutComments = (text: string) =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')

function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name)
      const text = withoutComments(readFileSync(join(root, path), 'utf8'))
      const targets = [...text.matchAll(imported)].map((match) => match[1] ?? '')
      const own = targets.filter((target) => target.startsWith('.') && target.endsWith('.ts'))
      return { path, text, imports: own.map((target) => normalize(join(dirname(path), target))) }
    })
}

/** The part of the house that a file is in: `src/app.ts` is the top of the folder `src/app`. */
function placeOf(path: string): string {
  const [top = '', name = ''] = path.split('/')
  return path in sees ? path : `${top}/${name.replace(/\.ts$/, '')}`
}

const isBelow = (path: string, places: readonly string[]) =>
  places.some((place) => path === place || path === `${place}.ts` || path.startsWith(`${place}/`))

const files = sourceFiles('src')

describe('the house', () => {
  it('is really read: more than a hundred files with hundreds of imports', () => {
    expect(files.length).toBeGreaterThan(100)
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(300)
  })

  it('has a place in the table for every file, and no place without a file', () => {
    const places = new Set(files.map(({ path }) => placeOf(path)))
    expect([...places].toSorted()).toEqual(Object.keys(sees).toSorted())
  })

  it('imports only files that are there, by their whole name', () => {
    const missing = files.flatMap(({ path, imports }) =>
      imports
        .filter((target) => !existsSync(join(root, target)))
        .map((target) => `${path} → ${target}`),
    )
    expect(missing).toEqual([])
  })

  it('imports only downwards, as the table has it; types count', () => {
    const upwards = files.flatMap(({ path, imports }) =>
      imports
        .filter((target) => {
          const from = placeOf(path)
          const to = placeOf(target)
          return from !== to && !sees[from]?.includes(to)
        })
        .map((target) => `${path} → ${target}`),
    )
    expect(upwards).toEqual(exceptions)
  })

  it('allows no arrow that nobody uses, but for the domains and the ground', () => {
    const used = new Set(
      files.flatMap(({ path, imports }) => imports.map((t) => `${placeOf(path)} → ${placeOf(t)}`)),
    )
    const idle = Object.entries(sees).flatMap(([from, allowed]) =>
      allowed
        .filter((to) => !domains.includes(to) && to !== 'src/lib')
        .map((to) => `${from} → ${to}`)
        .filter((arrow) => !used.has(arrow)),
    )
    expect(idle).toEqual([])
  })

  it('has no circles, from file to file', () => {
    const importsOf = new Map(files.map(({ path, imports }) => [path, imports]))
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (path: string, trail: readonly string[]) => {
      const at = trail.indexOf(path)
      if (at >= 0) circles.push([...trail.slice(at), path].join(' → '))
      if (at >= 0 || done.has(path)) return
      for (const target of importsOf.get(path) ?? []) visit(target, [...trail, path])
      done.add(path)
    }
    for (const { path } of files) visit(path, [])
    expect(circles).toEqual([])
  })

  it('stands on a ground of at most ten files', () => {
    expect(files.filter(({ path }) => placeOf(path) === 'src/lib').length).toBeLessThanOrEqual(10)
  })
})

describe.each(doors)('$what', ({ pattern, only }) => {
  it('is touched only where that is its business', () => {
    const elsewhere = files
      .filter(({ path, text }) => pattern.test(text) && !isBelow(path, only))
      .map(({ path }) => path)
    expect(elsewhere).toEqual([])
  })

  it('has no door that nobody uses', () => {
    const idle = only.filter(
      (place) => !files.some(({ path, text }) => isBelow(path, [place]) && pattern.test(text)),
    )
    expect(idle).toEqual([])
  })
})
