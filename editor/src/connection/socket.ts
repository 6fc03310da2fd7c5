/** The websocket: one msgpack map a frame, answers matched by id, reconnecting for ever with a growing pause. */

import { decode, encode } from '@msgpack/msgpack';
import { PROTOCOL } from '../generated/protocol';
import { randomHex } from '../parts/random';
import type { Answer, Request } from './messages';

export type Status = 'connecting' | 'open' | 'lost' | 'refused';

type Unasked = Extract<Answer, { type: 'event' | 'snapshot' | 'run' | 'paused' | 'workflow' }>;
type Asked = Exclude<Answer, Unasked>;
type Body<T> = T extends unknown ? Omit<T, 'id'> : never;
/** A request without its id, which the socket chooses. */
export type Ask = Body<Request>;
export type AnswerOf<T extends Asked['type']> = Extract<Answer, { type: T }>;

/** A refusal by the server, or a connection that went away before the answer. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint = '',
    readonly problems: readonly { code: string; path: string; message: string; hint: string }[] = [],
  ) {
    super(message);
  }
}

/** Nobody is there to ask. */
export function lostRefusal(): Refusal {
  const hint = 'what you do is kept in this browser; try again when the last line says “connected”';
  return new Refusal('connection', 'there is no connection to the server', hint);
}

const PAUSES = [300, 600, 1_200, 2_500, 5_000] as const;

interface Pending {
  settle(answer: Asked): void;
  fail(error: Refusal): void;
}

export class Socket {
  private socket: WebSocket | undefined;
  private next = 1;
  private tries = 0;
  /** The server does not let this page in; trying again changes nothing before it does. */
  private refused = false;
  private readonly pending = new Map<number, Pending>();
  private readonly hearers = new Set<(message: Unasked) => void>();
  private readonly watchers = new Set<(status: Status, welcome?: AnswerOf<'welcome'>) => void>();

  constructor(
    private readonly url: string,
    private readonly client: string,
  ) {}

  connect(): void {
    this.tell('connecting');
    const socket = new WebSocket(this.url);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      void this.greet();
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) =>
      this.hear(decode(new Uint8Array(event.data)) as Answer);
    socket.onclose = () => this.lost(opened);
  }

  private async greet(): Promise<void> {
    try {
      const welcome = await this.ask({ type: 'hello', protocol: PROTOCOL, client: this.client }, 'welcome');
      this.tries = 0;
      this.refused = false;
      this.tell('open', welcome);
    } catch (error) {
      if (error instanceof Refusal && error.code === 'server.protocol') this.tell('refused');
      this.socket?.close();
    }
  }

  private lost(opened: boolean): void {
    this.socket = undefined;
    for (const one of this.pending.values())
      one.fail(new Refusal('connection', 'the connection to the server was lost'));
    this.pending.clear();
    this.tell('lost');
    const pause = PAUSES[Math.min(this.tries++, PAUSES.length - 1)] ?? 5_000;
    if (!opened && this.tries === 1) void this.checkCookie();
    setTimeout(() => this.connect(), pause);
  }

  /** A browser does not say why a websocket was refused; an ordinary request does. */
  private async checkCookie(): Promise<void> {
    try {
      if ((await fetch('/api/about')).status === 401) this.tell('refused');
    } catch {
      // not reachable: the next try will tell
    }
  }

  private hear(message: Answer): void {
    if ('id' in message && message.id !== 0) {
      const pending = this.pending.get(message.id);
      this.pending.delete(message.id);
      if (message.type === 'failure') {
        pending?.fail(new Refusal(message.code, message.message, message.hint, message.problems));
      } else {
        pending?.settle(message as Asked);
      }
      return;
    }
    for (const hearer of this.hearers) hearer(message as Unasked);
  }

  /** Ask, and get the one answer. Rejects with a Refusal. */
  ask<T extends Asked['type']>(request: Ask, answer: T): Promise<AnswerOf<T>> {
    const socket = this.socket;
    if (socket === undefined || socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(lostRefusal());
    }
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const settle = (told: Asked): void => {
        if (told.type === answer) resolve(told as AnswerOf<T>);
        else
          reject(new Refusal('connection', `the server answered ${told.type} where ${answer} was expected`));
      };
      this.pending.set(id, { settle, fail: reject });
      socket.send(encode({ ...request, id }, { ignoreUndefined: true }));
    });
  }

  /** Hear what the server says unasked. Gives a function that stops it. */
  onMessage(hearer: (message: Unasked) => void): () => void {
    this.hearers.add(hearer);
    return () => this.hearers.delete(hearer);
  }

  onStatus(watcher: (status: Status, welcome?: AnswerOf<'welcome'>) => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  private tell(status: Status, welcome?: AnswerOf<'welcome'>): void {
    this.refused ||= status === 'refused';
    const told = this.refused && status !== 'open' ? 'refused' : status;
    for (const watcher of this.watchers) watcher(told, welcome);
  }
}

/** A name that stays with this browser: the server is fair between clients of different names. */
function clientName(): string {
  const known = localStorage.getItem('graphflow.client');
  if (known !== null && /^editor-[0-9a-f]{12}$/.test(known)) return known;
  const name = `editor-${randomHex(6)}`;
  localStorage.setItem('graphflow.client', name);
  return name;
}

export const CLIENT = clientName();

export const socket = new Socket(
  `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`,
  CLIENT,
);
