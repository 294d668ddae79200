/** What a person writes, or a configuration has, with commas between. */
export function wordsIn(text: string): string[] {
  return text
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
}
