/** Files that need not be sent. Pure. */

/** Why a file need not be sent at all; empty if it may be what is wanted. Some pictures move: a GIF is a video too. */
export function unfit({ name, size, type }: Pick<File, 'name' | 'size' | 'type'>, accepts: string): string {
  if (size === 0) return `${name} is empty`;
  const media = ['image', 'video', 'audio'].includes(accepts);
  if (!media || type === '' || type.startsWith(`${accepts}/`)) return '';
  if (accepts === 'video' && type === 'image/gif') return '';
  if (accepts === 'audio' && type.startsWith('video/')) return '';
  return `${name} is ${type.split('/')[0] === 'text' ? 'a text' : `of kind ${type.split('/')[0]}`}, not ${accepts}`;
}
