import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { AppError, messageOf } from '../lib/errors.ts'
import { checkNotebook } from '../notebooks/check.ts'
import { renderExamples } from '../notebooks/examples.ts'
import type { Context } from './context.ts'
import { evaluateCommand } from './evaluate-notebook.ts'
import { serveCommand } from './serve-notebook.ts'

/** `rodizio notebooks …`: what the product generates, to look at and to check. */
export function notebookCommands(program: Command, context: Context): void {
  const notebooks = program.command('notebooks').description('generate and check notebooks')

  notebooks
    .command('render')
    .description('write one example notebook of each kind, the same bytes each time')
    .option('--to <folder>', 'where to write; notebooks/ of the project when left out')
    .option('--check', 'write nothing; fail when what stands there differs')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio notebooks render --to /tmp/notebooks\n  rodizio notebooks render --check',
    )
    .action(async (flags: { to?: string; check?: boolean }) => {
      const folder = flags.to ?? fileURLToPath(new URL('notebooks/', context.root))
      const { loadTemplates } = await import('../app.ts')
      const files = renderExamples(loadTemplates(new URL('templates/', context.root)))
      if (flags.check) {
        const differing = files.filter(({ path, text }) => textOf(join(folder, path)) !== text)
        if (differing.length === 0) {
          context.answer(
            { files: files.length, differing: [] },
            () => `${files.length} files stand as they are rendered.`,
          )
          return
        }
        const names = differing.map(({ path }) => path).join(', ')
        throw new AppError('conflict', `${folder} differs from a fresh rendering: ${names}`, {
          code: 'rendering_differs',
          next: 'Write them again with: rodizio notebooks render',
        })
      }
      for (const { path, text } of files) {
        mkdirSync(dirname(join(folder, path)), { recursive: true })
        writeFileSync(join(folder, path), text)
      }
      const paths = files.map(({ path }) => path)
      context.answer({ folder, files: paths }, () =>
        paths.map((path) => join(folder, path)).join('\n'),
      )
    })

  notebooks
    .command('check [files...]')
    .description('check notebooks: form, tags, plain Python, no outputs, no secrets')
    .addHelpText(
      'after',
      '\nExamples:\n  rodizio notebooks check\n  rodizio notebooks check my.ipynb --json',
    )
    .action((given: string[]) => {
      const files =
        given.length > 0 ? given : committed(fileURLToPath(new URL('notebooks/', context.root)))
      const checked = files.map((file) => {
        const text = textOf(file)
        if (text === undefined) {
          throw new AppError('not-found', `cannot read ${file}`, { next: 'Name an .ipynb file' })
        }
        return { file, problems: checkNotebook(text) }
      })
      const bad = checked.filter(({ problems }) => problems.length > 0)
      context.answer({ items: checked, next: null }, () =>
        checked
          .flatMap(({ file, problems }) =>
            problems.length === 0
              ? [`ok  ${file}`]
              : problems.map(
                  ({ cell, message }) =>
                    `bad ${file}${cell === null ? '' : `, cell ${cell}`}: ${message}`,
                ),
          )
          .join('\n'),
      )
      if (bad.length > 0) process.exitCode = 1
    })

  serveCommand(notebooks, context)
  evaluateCommand(notebooks, context)
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // reported by the caller, with the name
  }
}

function committed(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ipynb'))
      .toSorted()
      .map((name) => join(folder, name))
  } catch (cause) {
    throw new AppError('not-found', `cannot read ${folder}: ${messageOf(cause)}`, { cause })
  }
}
