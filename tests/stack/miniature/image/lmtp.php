<?php
// Delivers messages over LMTP: lmtp.php RECIPIENT..., messages on stdin, one NUL byte between two of them.
$socket = stream_socket_client('tcp://127.0.0.1:24', $code, $text, 10);
if ($socket === false) { fwrite(STDERR, "no LMTP on port 24: $text\n"); exit(1); }
function answer($socket, string $wanted): void {
    do { $line = fgets($socket); } while ($line !== false && substr($line, 3, 1) === '-');
    if ($line === false || $line[0] !== $wanted) { fwrite(STDERR, 'LMTP said: ' . var_export($line, true) . "\n"); exit(1); }
}
function command($socket, string $line, string $wanted = '2'): void { fwrite($socket, "$line\r\n"); answer($socket, $wanted); }
answer($socket, '2');
command($socket, 'LHLO miniature');
$recipients = array_slice($argv, 1);
foreach (explode("\0", stream_get_contents(STDIN)) as $message) {
    command($socket, 'MAIL FROM:<sender@example.org>');
    foreach ($recipients as $recipient) { command($socket, "RCPT TO:<$recipient>"); }
    command($socket, 'DATA', '3');
    $lines = preg_split('/\r?\n/', rtrim($message, "\n"));
    foreach ($lines as $line) { fwrite($socket, (($line[0] ?? '') === '.' ? '.' : '') . "$line\r\n"); }
    fwrite($socket, ".\r\n");
    foreach ($recipients as $recipient) { answer($socket, '2'); }
}
command($socket, 'QUIT');
