/** Paths by patterns of a shell: `*` and `?` within a name, `**` for any folders, `[a-z]`. */
import { DiskError, type FileSystem } from '../../base.ts'

/** Names of files, sorted, without those that go while they are looked for. */
export function glob(files: FileSystem, pattern: string): string[] {
  const found = new Set<string>()
  const segments = pattern.split('/').filter(segment => segment !== '' && segment !== '.')
  walk(files, pattern.startsWith('/') ? '/' : '.', segments, found)
  return [...found].sort()
}

function walk(files: FileSystem, folder: string, [segment, ...rest]: readonly string[], found: Set<string>): void {
  if (segment === undefined) return
  const below = (name: string) => (folder === '/' ? `/${name}` : folder === '.' ? name : `${folder}/${name}`)
  if (segment === '**') walk(files, folder, rest, found)
  else if (!/[*?[]/.test(segment)) {
    const path = below(segment)
    if (rest.length > 0) walk(files, path, rest, found)
    else if (entriesOf(files, folder).some(({ name, kind }) => name === segment && kind === 'file')) found.add(path)
    return
  }
  const matches = segment === '**' ? null : expressionOf(segment)
  for (const { name, kind } of entriesOf(files, folder)) {
    if (segment === '**') {
      if (kind === 'directory' && !name.startsWith('.')) walk(files, below(name), [segment, ...rest], found)
    } else if (matches!.test(name)) {
      if (kind === 'file' && rest.length === 0) found.add(below(name))
      if (kind === 'directory' && rest.length > 0) walk(files, below(name), rest, found)
    }
  }
}

function entriesOf(files: FileSystem, folder: string) {
  try {
    return files.list(folder)
  } catch (error) {
    // It is not there yet, or not any more.
    if (error instanceof DiskError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return []
    throw error
  }
}

/** Whether a path is one of the pattern, without a look at the disk. */
export function expressionOf(pattern: string): RegExp {
  let text = ''
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at]!
    const set = letter === '[' ? /^\[[!^]?\]?[^\]]*\]/.exec(pattern.slice(at))?.[0] : undefined
    if (set !== undefined) {
      text += set.replace(/^\[!/, '[^').replaceAll('\\', '\\\\')
      at += set.length - 1
    } else if (pattern.startsWith('**/', at)) {
      text += '(?:.*/)?'
      at += 2
    } else if (letter === '*') text += '[^/]*'
    else if (letter === '?') text += '[^/]'
    else text += letter.replace(/[\\^$.|+(){}[\]]/g, '\\$&')
  }
  // A name that begins with a point is meant only by a pattern that does.
  return new RegExp(`^${/^[*?[]/.test(pattern) ? '(?!\\.)' : ''}${text}$`)
}
