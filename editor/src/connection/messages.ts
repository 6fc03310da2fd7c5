/** What is said between editor and server, generated from the server's models. */

export type * from '../generated/protocol';
